import Foundation
import GyroAutodiff
import GyroCheckpoints
import GyroExport
import GyroDatasets
import GyroModels
import GyroQuantization
import GyroTensors

/// Classification of images. The loss is the cross-entropy in nats per image.
struct ImageTask: ExperimentTask {
  let model: ImageModel
  let training, calibration: ImageSet?
  let evaluation: ImageSet?

  var initial: ParameterStore { model.parameters }
  var initialScheme: QuantizationScheme? { model.scheme }
  var unit: String { "images" }
  var warnings: [String] { [] }

  func batches(for stage: TrainStage, seed: UInt64) throws -> (Int) -> ImageBatch {
    let set = try checked(training, "data.train")
    let batches = set.batches(size: stage.batch, seed: seed)
    return { batches[$0] }
  }

  func batches(for stage: CalibrateStage, seed: UInt64) throws -> (Int) -> ImageBatch {
    let set =
      try calibration.map { try checked($0, "data.calibrate") }
      ?? checked(training, "data.train")
    let batches = set.batches(size: stage.batch, seed: seed)
    return { batches[$0] }
  }

  func scores(_ batch: ImageBatch, _ pass: ForwardPass) -> Variable {
    model.model(Variable(constant: batch.images), pass)
  }

  func size(of batch: ImageBatch) -> Int { batch.labels.count }

  func targets(of batch: ImageBatch) -> [Int32] { batch.labels }

  func absorb(_ statistics: Statistics, into parameters: inout ParameterStore) {
    parameters.absorbBatchStatistics(statistics)
  }

  func evaluate(
    _ parameters: ParameterStore, _ stage: EvaluateStage, _ arithmetic: Arithmetic,
    progress: (Int, Int) throws -> Void
  ) throws -> [String: Double] {
    var set = try checked(evaluation, "data.evaluate")
    if let limit = stage.limit, limit < set.count { set = set[0..<limit] }
    var (loss, divergence, correct, seen) = (0.0, 0.0, 0, 0)
    for batch in set.sequentialBatches(size: 256) {
      let pass = arithmetic.pass(parameters)
      let logits = model.model(Variable(constant: batch.images), pass)
      if let fault = pass.fault { throw fault }
      correct += logits.value.hits(batch.labels)
      let size = Double(batch.labels.count)
      loss += Double(logits.crossEntropy(targets: batch.labels).value.item) * size
      if let wanted = arithmetic.wanted({ model.model(Variable(constant: batch.images), $0) }) {
        divergence += Double(logits.kullbackLeibler(toTeacher: wanted).value.item) * size
      }
      seen += batch.labels.count
      try progress(seen, set.count)
    }
    var figures = [
      "loss": loss / Double(seen), "accuracy": Double(correct) / Double(seen),
      "images": Double(seen),
    ]
    if arithmetic.teacher != nil { figures["divergence"] = divergence / Double(seen) }
    return figures
  }

  private func checked(_ set: ImageSet?, _ name: String) throws -> ImageSet {
    guard let set else { throw ExperimentError.unfit(what: name, reason: "there is none") }
    let expected = model.configuration.image
    guard Array(set.images.shape.dimensions.dropFirst()) == expected else {
      throw ExperimentError.unfit(
        what: name,
        reason: "the images have extents \(set.images.shape.dimensions.dropFirst()), the model "
          + "expects \(expected)")
    }
    guard set.classCount <= model.configuration.classes else {
      throw ExperimentError.unfit(
        what: name,
        reason: "the largest label is \(set.classCount - 1), the model has "
          + "\(model.configuration.classes) classes")
    }
    return set
  }

  func write(
    _ parameters: ParameterStore, scheme: QuantizationScheme?, to folder: URL,
    as type: ScalarType
  ) throws {
    try model(parameters, scheme).write(to: folder, as: type)
  }

  func shipped(
    _ parameters: ParameterStore, scheme: QuantizationScheme?
  ) throws -> ShippedModel {
    try ShippedModel(model(parameters, scheme))
  }

  private func model(_ parameters: ParameterStore, _ scheme: QuantizationScheme?) -> ImageModel {
    var copy = model
    copy.parameters = parameters
    copy.scheme = scheme
    return copy
  }

  func read(_ folder: URL) throws -> ParameterStore {
    try ImageModel(contentsOf: folder).parameters
  }
}

extension Tensor {
  /// How many rows of `[images, classes]` are largest at their label.
  func hits(_ labels: [Int32]) -> Int {
    let columns = shape.columns
    return withElements { pointer in
      labels.enumerated().count { row, label in
        let scores = UnsafeBufferPointer(start: pointer + row * columns, count: columns)
        return scores.indices.max { scores[$0] < scores[$1] } == Int(label)
      }
    }
  }
}
