import Foundation
import GyroModels
import GyroOptimization
import GyroTensors

/// Sorts the tensors of a training checkpoint back to where they belong.
struct TrainingCheckpointReader {
  let url: URL
  let tensors: [String: Tensor]

  /// Whether anything is stored in a scope.
  func holds(_ scope: String) -> Bool { tensors.keys.contains { $0.hasPrefix(scope + "/") } }

  /// All tensors of a scope by the rest of their names.
  func all(_ scope: String) -> [String: Tensor] {
    var found: [String: Tensor] = [:]
    for (name, tensor) in tensors where name.hasPrefix(scope + "/") {
      found[String(name.dropFirst(scope.count + 1))] = tensor
    }
    return found
  }

  /// A store with the paths and shapes of `model` and the stored numbers.
  func store(
    _ scope: String, like model: ParameterStore
  ) throws(TrainingCheckpointError) -> ParameterStore {
    var stored = all(scope)
    var result = model
    for path in model.paths {
      let expected = model[path].shape
      guard let tensor = stored.removeValue(forKey: path.name), tensor.shape == expected else {
        throw .mismatch(
          file: url, what: "the shape of \(path)", expected: "\(expected)",
          found: tensors["\(scope)/\(path)"].map { "\($0.shape)" } ?? "nothing")
      }
      result[path] = tensor
    }
    if let stranger = stored.min(by: { $0.key < $1.key }) {
      throw .mismatch(
        file: url, what: "the shape of \(stranger.key)", expected: "nothing",
        found: "\(stranger.value.shape)")
    }
    return result
  }

  /// The optimizer's states.
  func optimizer(
    _ record: TrainingCheckpoint.Record
  ) throws(TrainingCheckpointError) -> OptimizerArchive {
    var archive = OptimizerArchive(stepCount: record.optimizerSteps)
    for (path, counts) in record.optimizerCounts {
      archive.states[ParameterPath(path)] = StateArchive(counts: counts)
    }
    for (name, tensor) in all("optimizer") {
      guard let slash = name.lastIndex(of: "/") else {
        throw .damaged(file: url, reason: "the tensor 'optimizer/\(name)' names no parameter")
      }
      let path = ParameterPath(String(name[..<slash]))
      archive.states[path, default: StateArchive()]
        .tensors[String(name[name.index(after: slash)...])] = tensor
    }
    return archive
  }
}
