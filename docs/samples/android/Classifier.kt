// An exported .tflite file on Android, by LiteRT's interpreter. NOT COMPILED HERE: this project's machines have no
// Android SDK; written against the documentation of com.google.ai.edge.litert:litert 1.x.
//
// build.gradle.kts:  implementation("com.google.ai.edge.litert:litert:1.4.0")
//                    android { androidResources { noCompress += "tflite" } }
// Put tflite-int8.tflite and labels.txt of the bundle into src/main/assets.

package org.example.edgecifar

import android.content.Context
import android.graphics.Bitmap
import org.tensorflow.lite.Interpreter
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import kotlin.math.min

/** Classifies camera frames with an int8 file, whose input and output are bytes. Not for two threads at once. */
class Classifier(context: Context, file: String = "tflite-int8.tflite", threads: Int = 4) : AutoCloseable {
    private val labels = context.assets.open("labels.txt").bufferedReader().readLines().filter { it.isNotEmpty() }
    private val interpreter = Interpreter(
        context.assets.openFd(file).use {
            FileInputStream(it.fileDescriptor).channel.map(FileChannel.MapMode.READ_ONLY, it.startOffset, it.declaredLength)
        },
        Interpreter.Options().setNumThreads(threads),
    )
    private val height = interpreter.getInputTensor(0).shape()[1]
    private val width = interpreter.getInputTensor(0).shape()[2]
    private val scale = interpreter.getOutputTensor(0).quantizationParams().scale
    private val zeroPoint = interpreter.getOutputTensor(0).quantizationParams().zeroPoint
    private val input = ByteBuffer.allocateDirect(height * width * 3).order(ByteOrder.nativeOrder())
    private val output = ByteBuffer.allocateDirect(labels.size).order(ByteOrder.nativeOrder())

    /** Label and probability, the likeliest first. CameraX: `classify(imageProxy.toBitmap())`, turned upright before. */
    fun classify(frame: Bitmap): List<Pair<String, Float>> {
        val side = min(frame.width.toFloat() / width, frame.height.toFloat() / height)
        val cropWidth = (width * side).toInt()
        val cropHeight = (height * side).toInt()
        val crop = Bitmap.createBitmap(
            frame, (frame.width - cropWidth) / 2, (frame.height - cropHeight) / 2, cropWidth, cropHeight,
        )
        val pixels = IntArray(width * height)
        Bitmap.createScaledBitmap(crop, width, height, true).getPixels(pixels, 0, width, 0, 0, width, height)
        input.rewind()
        for (pixel in pixels) { // raw pixels, 0..255: everything else is inside the file
            input.put((pixel shr 16).toByte()).put((pixel shr 8).toByte()).put(pixel.toByte())
        }
        input.rewind()
        output.rewind()
        interpreter.run(input, output)
        return labels
            .mapIndexed { place, label -> label to ((output.get(place).toInt() and 0xFF) - zeroPoint) * scale }
            .sortedByDescending { it.second }
    }

    override fun close() = interpreter.close()
}
