// An exported .onnx file in the browser, by onnxruntime-web. Nothing leaves the machine it runs on.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";

export class Classifier {
  /** Load an artifact of a bundle: its manifest tells the file, the input and the labels. */
  static async load(bundle, variant) {
    const manifest = await (await fetch(`${bundle}/manifest.json`)).json();
    const artifact = manifest.artifacts.find((one) => one.variant === variant);
    if (!artifact) throw new Error(`${bundle} holds no ${variant}`);
    const session = await ort.InferenceSession.create(`${bundle}/${artifact.file}`, { executionProviders: ["wasm"] });
    return new Classifier(session, artifact);
  }

  constructor(session, artifact) {
    this.session = session;
    this.labels = artifact.labels;
    [, this.height, this.width] = artifact.input.shape;
    this.canvas = new OffscreenCanvas(this.width, this.height);
  }

  /** What is in an image, video or canvas element: [{ label, probability }], the likeliest first. */
  async classify(source) {
    const image = new ort.Tensor("float32", this.pixels(source), [1, this.height, this.width, 3]);
    const { probabilities } = await this.session.run({ image });
    return this.labels
      .map((label, place) => ({ label, probability: probabilities.data[place] }))
      .sort((a, b) => b.probability - a.probability);
  }

  /** Raw RGB in 0..255, cropped about the centre: rescaling and all else is inside the artifact. */
  pixels(source) {
    const [width, height] = [source.videoWidth || source.naturalWidth || source.width, source.videoHeight || source.naturalHeight || source.height];
    const scale = Math.min(width / this.width, height / this.height);
    const [cropWidth, cropHeight] = [this.width * scale, this.height * scale];
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.fillStyle = "white"; // behind what is transparent
    context.fillRect(0, 0, this.width, this.height);
    context.drawImage(source, (width - cropWidth) / 2, (height - cropHeight) / 2, cropWidth, cropHeight, 0, 0, this.width, this.height);
    const rgba = context.getImageData(0, 0, this.width, this.height).data;
    return Float32Array.from({ length: this.width * this.height * 3 }, (_, place) => rgba[4 * Math.floor(place / 3) + (place % 3)]);
  }
}
