// An exported .mlpackage on iOS and macOS, by Core ML with Vision. NOT COMPILED HERE: this project's machines are no
// Macs; written against Apple's documentation of Vision and Core ML.
//
// Drag coreml-fp16.mlpackage of the bundle into the Xcode project. Xcode compiles it; the labels are inside.

import CoreML
import CoreVideo
import ImageIO
import Vision

/// Classifies camera frames. Not for two threads at once.
final class Classifier {
    private let model: VNCoreMLModel

    /// - Parameter url: of the compiled model: `Bundle.main.url(forResource: "coreml-fp16", withExtension: "mlmodelc")`.
    init(contentsOf url: URL, computeUnits: MLComputeUnits = .all) throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        model = try VNCoreMLModel(for: MLModel(contentsOf: url, configuration: configuration))
    }

    /// Label and probability, the likeliest first.
    ///
    /// AVFoundation: call it in `captureOutput(_:didOutput:from:)` with
    /// `CMSampleBufferGetImageBuffer(sampleBuffer)` and the device's orientation.
    func classify(_ frame: CVPixelBuffer, orientation: CGImagePropertyOrientation) throws -> [(String, Float)] {
        let request = VNCoreMLRequest(model: model)
        request.imageCropAndScaleOption = .centerCrop  // Vision resizes; everything else is inside the model
        try VNImageRequestHandler(cvPixelBuffer: frame, orientation: orientation).perform([request])
        let answers = request.results as? [VNClassificationObservation] ?? []
        return answers.map { ($0.identifier, $0.confidence) }.sorted { $0.1 > $1.1 }
    }
}
