import Foundation
import GyroAutodiff
import GyroCheckpoints
import GyroManifolds
import GyroModels
import GyroRotation
import GyroTensors

/// A model by its name in test output.
struct Sample: Sendable, CustomStringConvertible {
  let name: String
  let configuration: LlamaConfiguration
  let parameters: ParameterStore
  var description: String { name }

  /// Tokens all over the vocabulary.
  func tokens(_ count: Int, seed: UInt64 = 1) -> [Int32] {
    var random = RandomStream(seed: seed).derived("tokens")
    return (0..<count).map { _ in Int32(random.integer(below: configuration.vocabulary)) }
  }

  func logits(
    _ tokens: [Int32], _ instrumentation: any Instrumentation = NoInstrumentation()
  ) -> Matrix64 {
    let model = Llama(configuration, .unfilled())
    let window = TokenWindow(tokens, batch: 1, length: tokens.count)
    let value = model(window, ForwardPass(parameters, instrumentation: instrumentation)).value
    return Matrix64(value.reshaped([tokens.count, configuration.vocabulary]))
  }
}

/// Tiny models that cover every flag of the family, with gains and offsets that do something.
enum Family {
  static let samples: [Sample] = [
    sample("plain") { _ in },
    sample("grouped heads") { $0.keyValueHeads = 2 },
    sample("query, key and value biases") { $0.queryKeyValueBias = true },
    sample("output bias") { $0.outputBias = true },
    sample("feed-forward biases") { $0.feedForwardBias = true },
    sample("query and key norms") {
      $0.queryKeyNorm = true
      $0.keyValueHeads = 2
    },
    sample("tied") { $0.tiedEmbeddings = true },
    sample("heads wider than hidden") { $0.headSize = 10 },
    sample("linear rotary scaling") { $0.rotaryScaling = .linear(factor: 4) },
    sample("llama3 rotary scaling") {
      $0.rotaryScaling = .llama3(
        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 16)
    },
    sample("odd widths") {
      $0.hidden = 15
      $0.feedForward = 27
      $0.heads = 3
      $0.keyValueHeads = 1
      $0.headSize = 6
    },
    sample("everything at once") {
      $0.hidden = 20
      $0.feedForward = 23
      $0.heads = 6
      $0.keyValueHeads = 3
      $0.headSize = 4
      $0.queryKeyValueBias = true
      $0.outputBias = true
      $0.feedForwardBias = true
      $0.queryKeyNorm = true
      $0.tiedEmbeddings = true
      $0.rotaryScaling = .linear(factor: 2)
    },
  ]

  static func sample(
    _ name: String, seed: UInt64 = 3, _ change: (inout LlamaConfiguration) -> Void
  ) -> Sample {
    var configuration = LlamaConfiguration(
      vocabulary: 40, hidden: 16, feedForward: 24, layers: 2, heads: 4, context: 32)
    configuration.headSize = 4
    configuration.initializerDeviation = 0.25
    change(&configuration)
    var store = Llama.initialized(configuration, seed: seed).parameters
    for path in store.paths {
      var random = RandomStream(seed: seed).derived(path.name)
      switch store.parameter(at: path)!.kind {
      case .normalization:
        store[path] = random.uniform(store[path].shape, in: 0.5..<1.5)
      case .bias: store[path] = random.normal(store[path].shape, standardDeviation: 0.2)
      default: continue
      }
    }
    return Sample(name: name, configuration: configuration, parameters: store)
  }

  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  static let novelistFolder = root.appendingPathComponent("Checkpoints/novelist")
  /// A real small Llama with grouped heads, kept beside the repository rather than in it.
  static let storiesFolder = root.deletingLastPathComponent()
    .appendingPathComponent("shared/models/stories260K")

  static func checkpoint(_ folder: URL) throws -> Sample {
    let model = try LanguageModel(contentsOf: folder)
    return Sample(
      name: folder.lastPathComponent, configuration: model.configuration,
      parameters: model.parameters)
  }
}

/// Where rotations come from.
enum Origin: String, CaseIterable, Sendable {
  case haar, hadamard, learned

  func matrix(_ size: Int, seed: UInt64) throws -> Matrix64 {
    switch self {
    case .haar: return RandomMatrix.orthogonal(size, seed: seed)
    case .hadamard: return RandomMatrix.randomizedHadamard(size, seed: seed)
    case .learned:
      // As learning leaves it: near a Hadamard matrix, orthogonal again.
      let start = RandomMatrix.randomizedHadamard(size, seed: seed)
      let step = 0.05 * RandomMatrix.gaussian(rows: size, columns: size, seed: seed + 1)
      let parts = try (start + step).singularValueDecomposition()
      return parts.u.matmul(parts.vTransposed)
    }
  }
}

extension LlamaRotations {
  /// All four rotations and all factors.
  static func random(
    _ origin: Origin, _ configuration: LlamaConfiguration, seed: UInt64 = 11
  ) throws -> LlamaRotations {
    LlamaRotations(
      residual: try origin.matrix(configuration.hidden, seed: seed),
      values: try (0..<configuration.layers).map {
        try origin.matrix(configuration.headSize, seed: seed + 10 + UInt64($0))
      },
      keys: HadamardTransform(size: configuration.headSize),
      feedForward: HadamardTransform(size: configuration.feedForward),
      scalings: .random(configuration, seed: seed))
  }
}

extension LlamaScalings {
  static func random(_ configuration: LlamaConfiguration, seed: UInt64) -> LlamaScalings {
    func factors(_ name: String, _ count: Int) -> [[Double]] {
      (0..<configuration.layers).map { layer in
        var random = RandomStream(seed: seed).derived(name, layer)
        return random.normal([count], standardDeviation: 0.5).elements.map { exp(Double($0)) }
      }
    }
    let (heads, size) = (configuration.keyValueHeads, configuration.headSize)
    return LlamaScalings(
      attentionInputs: factors("attention", configuration.hidden),
      feedForwardInputs: factors("feed-forward inputs", configuration.hidden),
      keys: factors("keys", (configuration.queryKeyNorm ? 1 : heads) * size / 2),
      values: factors("values", heads * size),
      feedForward: factors("feed-forward", configuration.feedForward))
  }
}
