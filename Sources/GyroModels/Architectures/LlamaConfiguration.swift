import Foundation
public import GyroAutodiff

/// The shape of a Llama-family model, as `config.json` of a Hugging Face directory gives it.
public struct LlamaConfiguration: Sendable, Equatable {
  /// The members of the family this reader knows.
  public enum Family: String, Sendable, CaseIterable {
    case llama = "LlamaForCausalLM"
    case mistral = "MistralForCausalLM"
    case qwen2 = "Qwen2ForCausalLM"
    case qwen3 = "Qwen3ForCausalLM"

    var modelType: String {
      switch self {
      case .llama: "llama"
      case .mistral: "mistral"
      case .qwen2: "qwen2"
      case .qwen3: "qwen3"
      }
    }
  }

  public var family: Family = .llama
  public var vocabulary: Int
  public var hidden: Int
  public var feedForward: Int
  public var layers: Int
  public var heads: Int
  public var keyValueHeads: Int
  public var headSize: Int
  public var context: Int
  public var normEpsilon: Float = 1e-6
  public var rotaryBase: Double = 10000
  public var rotaryScaling: RotaryScaling = .none
  public var tiedEmbeddings = false
  /// Offsets on the query, key and value projections.
  public var queryKeyValueBias = false
  /// Offset on the attention's output projection.
  public var outputBias = false
  /// Offsets in the feed-forward block.
  public var feedForwardBias = false
  /// RMS normalization of queries and keys, per head, before the rotary embedding.
  public var queryKeyNorm = false
  /// The attention window a Mistral was trained with, which is not applied; nil for none.
  public var slidingWindow: Int?
  public var initializerDeviation: Float = 0.02
  public var beginningOfText: Int?
  public var endOfText: [Int] = []
  /// What a reader should tell the user, e.g. an attention window that is not applied.
  public var warnings: [String] = []

  public init(
    vocabulary: Int, hidden: Int, feedForward: Int, layers: Int, heads: Int,
    keyValueHeads: Int? = nil, headSize: Int? = nil, context: Int = 2048
  ) {
    self.vocabulary = vocabulary
    self.hidden = hidden
    self.feedForward = feedForward
    self.layers = layers
    self.heads = heads
    self.keyValueHeads = keyValueHeads ?? heads
    self.headSize = headSize ?? hidden / heads
    self.context = context
  }

  /// Number of trained elements.
  public var parameterCount: Int {
    let attention = hidden * headSize * (2 * heads + 2 * keyValueHeads)
    let block = attention + 3 * hidden * feedForward + 2 * hidden
    return layers * block + hidden + vocabulary * hidden * (tiedEmbeddings ? 1 : 2)
  }
}

/// What is wrong with a `config.json`.
public enum ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
  case notAnObject(detail: String)
  case unknownArchitecture(String)
  case missing(key: String)
  case wrongType(key: String, expected: String, got: String)
  case outOfRange(key: String, value: String, reason: String)
  case unsupported(key: String, value: String, supported: String)

  public var description: String {
    switch self {
    case .notAnObject(let detail):
      return "config.json is not a JSON object (\(detail)); is the file complete?"
    case .unknownArchitecture(let name):
      let known = LlamaConfiguration.Family.allCases.map(\.rawValue).joined(separator: ", ")
      return "unknown architecture '\(name)'; supported are \(known)"
    case .missing(let key):
      return "config.json has no key '\(key)'"
    case .wrongType(let key, let expected, let got):
      return "config.json: '\(key)' should be \(expected), got \(got)"
    case .outOfRange(let key, let value, let reason):
      return "config.json: '\(key)' is \(value), but \(reason)"
    case .unsupported(let key, let value, let supported):
      return "config.json: '\(key)' is '\(value)', which is not supported; supported: \(supported)"
    }
  }
}
