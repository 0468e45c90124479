import Foundation
import GyroAutodiff
import GyroCheckpoints
import GyroDatasets
import GyroExport
import GyroModels
import GyroTensors

/// A float model to try formats, roundings and ranges on.
struct StudyCheckpoint {
  let name: String
  let model: ShippedModel.Network

  /// - Throws: what reading the model throws, and `ExperimentError.unfit` for one that has been
  ///   quantized.
  init(_ folder: URL) throws {
    name = folder.relativePath
    let shipped = try ShippedModel(at: folder)
    model = shipped.network
    if shipped.scheme != nil {
      throw ExperimentError.unfit(
        what: name,
        reason: "its weights are quantized already; study the float checkpoint it was made from")
    }
  }

  var parameters: ParameterStore {
    switch model {
    case .image(let image): image.parameters
    case .language(let language): language.parameters
    }
  }

  /// The matrices of linear layers and the kernels of convolutions, in order of declaration.
  var layers: [ParameterPath] { paths([.linear, .convolution]) }

  /// Layers, and tables of embeddings.
  var weights: [ParameterPath] { paths([.linear, .convolution, .embedding]) }

  private func paths(_ kinds: [Parameter.Kind]) -> [ParameterPath] {
    let parameters = self.parameters
    return parameters.paths.filter { path in
      parameters.parameter(at: path).map { kinds.contains($0.kind) } ?? false
    }
  }
}

extension StudyCheckpoint {
  /// How well parameters do, on data that are made here.
  struct Measure {
    /// `accuracy`, a part of one, or `perplexity`.
    let figure: String
    let isHigherBetter: Bool
    let score: (ParameterStore) -> Double
  }

  /// Accuracy on drawn digits for a classifier of 28 × 28 gray images, perplexity on text that the
  /// float model samples for a language model.
  /// - Throws: `ExperimentError.unfit` for a classifier of other images.
  func measure(
    size: Int, seed: UInt64, progress: (Int, Int) throws -> Void
  ) throws -> Measure {
    switch model {
    case .image(let image):
      let batches = try drawnDigits(image, size, seed).sequentialBatches(size: 256)
      return Measure(figure: "accuracy", isHigherBetter: true) { parameters in
        let hits = batches.reduce(0) { hits, batch in
          let logits = image.model(Variable(constant: batch.images), ForwardPass(parameters))
          return hits + logits.value.hits(batch.labels)
        }
        return Double(hits) / Double(size)
      }
    case .language(let language):
      let batches = try sampledText(language, size, seed, progress: progress)
      let tokens = Double(batches.reduce(0) { $0 + $1.targets.count })
      return Measure(figure: "perplexity", isHigherBetter: false) { parameters in
        let loss = batches.reduce(0.0) { sum, batch in
          let loss = language.model.nextTokenLoss(batch, ForwardPass(parameters))
          return sum + Double(loss.value.item) * Double(batch.targets.count)
        }
        return exp(loss / tokens)
      }
    }
  }

  /// What flows into the layers while the model looks at drawn digits or at text that it samples.
  /// - Throws: as ``measure(size:seed:progress:)``.
  func activations(
    size: Int, seed: UInt64
  ) throws -> [(site: ParameterPath, values: Tensor)] {
    let capture = ActivationCapture()
    let pass = ForwardPass(parameters, instrumentation: capture)
    switch model {
    case .image(let image):
      let images = try drawnDigits(image, size, seed).images
      _ = image.model(Variable(constant: images), pass)
    case .language(let language):
      for batch in sampledText(language, size, seed, progress: { _, _ in }) {
        _ = language.model(TokenWindow(batch), pass)
      }
    }
    return capture.activations
  }

  private func drawnDigits(_ image: ImageModel, _ count: Int, _ seed: UInt64) throws -> ImageSet {
    let side = DrawnDigits.side
    guard image.configuration.image == [1, side, side], image.configuration.classes >= 10 else {
      throw ExperimentError.unfit(
        what: name,
        reason: "it takes images \(image.configuration.image) of "
          + "\(image.configuration.classes) classes; digits drawn here are "
          + "[1, \(side), \(side)] of 10")
    }
    return DrawnDigits.images(count: count, seed: seed)
  }

  private func sampledText(
    _ language: LanguageModel, _ tokens: Int, _ seed: UInt64, progress: (Int, Int) throws -> Void
  ) rethrows -> [TokenBatch] {
    let length = min(language.configuration.context, 128, tokens)
    let texts = try SampledWindows.sample(
      language.model, language.parameters, tokens: tokens, length: length + 1, seed: seed,
      progress: progress)
    return SampledWindows(texts, length: length).sequential(size: 16)
  }
}
