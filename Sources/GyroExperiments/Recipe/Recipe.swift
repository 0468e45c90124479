public import GyroQuantization
public import GyroTensors

/// An experiment as a file describes it: which model, which data, which number formats, and what to
/// do with them, in order. Names are not yet turned into values; ``resolve`` does that once.
public struct Recipe: Sendable, Equatable {
  /// Names the folder of results.
  public var name: String
  /// What it shows, in a sentence.
  public var description: String
  public var model: ModelRecipe
  public var data: DataRecipe
  /// What is quantized and how; nil for a float experiment.
  public var scheme: QuantizationScheme?
  /// How float matrix products are computed.
  public var precision: MatmulPrecision
  /// Everything random follows from it.
  public var seed: Int
  public var stages: [StageRecipe]
  /// Where everything stood, so that mistakes found later can still name their line.
  var places = RecipePlaces()
}

/// The places of a recipe's values by key path. They take no part in comparisons: the same recipe
/// written differently is the same recipe.
struct RecipePlaces: Sendable, Equatable {
  var byKeyPath: [String: RecipePlace] = [:]

  static func == (a: RecipePlaces, b: RecipePlaces) -> Bool { true }

  /// The place of a key path, or of the nearest thing around it.
  subscript(keyPath: String) -> RecipePlace {
    var path = keyPath
    while !path.isEmpty {
      if let place = byKeyPath[path] { return RecipePlace(source: place.source, keyPath: keyPath) }
      path = path.lastIndex { $0 == "." || $0 == "[" }.map { String(path[..<$0]) } ?? ""
    }
    return byKeyPath[""] ?? RecipePlace(source: .file("recipe", line: nil), keyPath: keyPath)
  }
}

/// Where the model comes from.
public enum ModelRecipe: Sendable, Equatable {
  /// A checkpoint folder.
  case directory(String)
  /// A fresh language model.
  case llama(LlamaRecipe)
  /// A fresh image classifier.
  case classifier(ClassifierRecipe)
}

/// The shape of a fresh Llama.
public struct LlamaRecipe: Sendable, Equatable {
  public var hidden: Int
  public var layers: Int
  public var heads: Int
  public var keyValueHeads: Int
  public var feedForward: Int
  public var context: Int
  /// Whether the output projection shares the embedding's table.
  public var tied: Bool
  public var rotaryBase: Double
  public var normEpsilon: Double
  public var tokenizer: TokenizerRecipe
}

/// Where a fresh language model's tokenizer comes from.
public enum TokenizerRecipe: Sendable, Equatable {
  /// A `tokenizer.json` or the folder that holds one.
  case path(String)
  /// A byte-level vocabulary learned from files.
  case train(files: [String], vocabulary: Int)
}

/// The shape of a fresh image classifier.
public struct ClassifierRecipe: Sendable, Equatable {
  /// The architectures there are.
  public enum Architecture: String, Sendable, CaseIterable { case lenet, resnet, mobilenet, mlp }
  public var architecture: Architecture
  public var classes: Int
  /// Channels of the first stage (`resnet`, `mobilenet`).
  public var width: Int
  /// Residual blocks per stage (`resnet`).
  public var blocks: Int
  /// Widths between input and output (`mlp`).
  public var hidden: [Int]
  /// Extents of the images: channels, height, width.
  public var channels: Int
  public var height: Int
  public var imageWidth: Int
}

/// What to train, calibrate and evaluate on.
public struct DataRecipe: Sendable, Equatable {
  public var train: DataSource?
  public var calibrate: DataSource?
  public var evaluate: DataSource?
  /// What is measured beside `evaluate` wherever that is; `evaluate` alone decides.
  public var alsoEvaluate: [NamedSource] = []
}

/// A source under a name of the recipe's own choice.
public struct NamedSource: Sendable, Equatable {
  public var name: String
  public var source: DataSource
}

/// One source of examples.
public enum DataSource: Sendable, Equatable {
  /// Text files; `*`, `?` and `**` are patterns.
  case text(files: [String])
  /// Text sampled from the float model.
  case generated(tokens: Int, seed: Int)
  /// Drawn digits.
  case digits(count: Int, seed: Int)
  /// IDX files of images and labels, plain or gzip; `range` are the examples used, half open.
  case images(images: String, labels: String, range: Range<Int>?)

  /// Whether it gives images rather than text.
  public var isImages: Bool {
    switch self {
    case .text, .generated: false
    case .digits, .images: true
    }
  }
}
