public import Foundation
import GyroModels
public import GyroQuantization
import GyroTensors

/// What rounding weights up or down does to a model (2106.08295 §3.3, 2004.10568 §3): to the nearest
/// is good, always down or always up ruins it, and among random choices some beat the nearest:
/// room for methods that learn the choice.
public struct RoundingStudy: Sendable, Encodable {
  public struct Options: Sendable {
    /// Bits of a weight.
    public var bits = 4
    public var granularity = Granularity.tensor
    /// Random roundings to draw.
    public var draws = 100
    /// Images or tokens to measure on.
    public var size = 500
    public var seed: UInt64 = 0

    public init() {}
  }

  /// Some layers rounded, the others left in float.
  public struct Scope: Sendable, Encodable {
    public let name: String
    public let layers: Int
    public let nearest: Double
    public let floor: Double
    public let ceiling: Double
    public let stochastic: Draws
  }

  /// Random roundings of one scope.
  public struct Draws: Sendable, Encodable {
    public let mean: Double
    public let deviation: Double
    public let best: Double
    public let worst: Double
    /// How many do better than rounding to the nearest.
    public let betterThanNearest: Int
    public let figures: [Double]
  }

  /// The checkpoint, or the layer that was made up.
  public let subject: String
  /// What is measured: `accuracy`, `perplexity` or `output_decibels`.
  public let figure: String
  public let isHigherBetter: Bool
  public let bits: Int
  public let granularity: Granularity
  /// The figure of the float model; nil where it would be infinite.
  public let float: Double?
  public let scopes: [Scope]

  /// Rounds the layers of a checkpoint: the first alone, then all.
  /// - Throws: what reading the checkpoint throws; `QuantizationError` for groups that do not
  ///   divide.
  public init(
    checkpoint: URL, _ options: Options = Options(),
    progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let model = try StudyCheckpoint(checkpoint)
    let parameters = model.parameters
    let measure = try model.measure(size: options.size, seed: options.seed) { done, total in
      try progress(.working(label: "sampling text", done: done, total: total))
    }
    let paths = model.layers
    var scopes: [Scope] = []
    for (name, chosen) in [(paths[0].name, Array(paths.prefix(1))), ("all layers", paths)] {
      let layers = try chosen.map { path in
        try Layer(path, parameters[path], options)
      }
      scopes.append(
        try Self.scope(name, layers.count, options, isHigherBetter: measure.isHigherBetter) {
          choice, draw in
          var rounded = parameters
          for layer in layers { rounded[layer.path] = layer.rounded(choice, draw, options.seed) }
          return measure.score(rounded)
        } progress: { done, total in
          try progress(.working(label: "rounding \(name)", done: done, total: total))
        })
    }
    self.init(
      subject: model.name, figure: measure.figure, isHigherBetter: measure.isHigherBetter,
      options, float: measure.score(parameters), scopes)
  }

  /// Rounds the 4 × 16 weights of a layer that is made up: normal, on inputs that are positive and
  /// resemble each other, as those behind a rectifier are. The figure is the power of its outputs
  /// over that of their error.
  public init(
    _ options: Options = Options(), progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    var random = RandomStream(seed: options.seed).derived("rounding study")
    let weight = random.normal([4, 16])
    let causes = random.normal([512, 2])
    let mixing = random.normal([16, 2], standardDeviation: 0.5)
    let noise = random.normal([512, 16], mean: 1, standardDeviation: 0.3)
    let mixed = causes.matmul(mixing, transposingOther: true)
    let inputs = Tensor.filled([512, 16]) { pointer in
      let (mixed, noise) = (mixed.elements, noise.elements)
      for index in mixed.indices { pointer[index] = max(mixed[index] + noise[index], 0) }
    }
    let exact = inputs.matmul(weight, transposingOther: true)
    let layer = try Layer("weight", weight, options)
    let scope = try Self.scope("layer", 1, options, isHigherBetter: true) { choice, draw in
      let rounded = layer.rounded(choice, draw, options.seed)
      let outputs = inputs.matmul(rounded, transposingOther: true)
      return RoundingError(of: outputs, from: exact).decibels
    } progress: { done, total in
      try progress(.working(label: "rounding", done: done, total: total))
    }
    self.init(
      subject: "a made-up layer [4, 16] on rectified inputs", figure: "output_decibels",
      isHigherBetter: true, options, float: nil, [scope])
  }

  private init(
    subject: String, figure: String, isHigherBetter: Bool, _ options: Options, float: Double?,
    _ scopes: [Scope]
  ) {
    self.subject = subject
    self.figure = figure
    self.isHigherBetter = isHigherBetter
    bits = options.bits
    granularity = options.granularity
    self.float = float
    self.scopes = scopes
  }

  /// One weight and its grid.
  private struct Layer {
    let path: ParameterPath
    let value: Tensor
    let format: IntegerFormat
    let layout: GroupLayout
    let scales: GroupScales

    init(_ path: ParameterPath, _ value: Tensor, _ options: Options) throws {
      self.path = path
      self.value = value
      format = IntegerFormat(bits: options.bits)
      let quantizer = try Quantizer(format, options.granularity)
      layout = try quantizer.layout(of: value.shape, named: path)
      do {
        scales = try quantizer.scales(covering: value)
      } catch {
        throw QuantizationError.notFinite(path, row: error.row)
      }
    }

    func rounded(_ choice: RoundingChoice, _ draw: Int, _ seed: UInt64) -> Tensor {
      var random = RandomStream(seed: seed).derived(path.name, draw)
      return choice.rounded(value, format, scales, layout, &random)
    }
  }

  private static func scope(
    _ name: String, _ layers: Int, _ options: Options, isHigherBetter: Bool,
    _ score: (RoundingChoice, Int) -> Double, progress: (Int, Int) throws -> Void
  ) throws -> Scope {
    let nearest = score(.nearest, 0)
    var figures: [Double] = []
    for draw in 0..<options.draws {
      try progress(draw, options.draws)
      figures.append(score(.stochastic, draw))
    }
    let mean = figures.reduce(0, +) / Double(figures.count)
    let squares = figures.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let (low, high) = (figures.min()!, figures.max()!)
    let draws = Draws(
      mean: mean, deviation: (squares / Double(max(figures.count - 1, 1))).squareRoot(),
      best: isHigherBetter ? high : low, worst: isHigherBetter ? low : high,
      betterThanNearest: figures.count { isHigherBetter ? $0 > nearest : $0 < nearest },
      figures: figures)
    return Scope(
      name: name, layers: layers, nearest: nearest, floor: score(.floor, 0),
      ceiling: score(.ceiling, 0), stochastic: draws)
  }

  /// One line per scope, with every random draw.
  public var picture: String {
    let names = ["nearest", "floor", "ceiling", "stochastic", "float"]
    var series = names.map { DotPlot.Series(name: $0) }
    series[3].isFaint = true
    // A perplexity of a ruined model would leave no room for the others.
    let isLogarithmic = figure == "perplexity"
    func place(_ value: Double) -> Double { isLogarithmic ? log10(value) : value }
    let axis =
      isLogarithmic
      ? "log10 of perplexity (less is better)"
      : figure == "accuracy"
        ? "accuracy (more is better)" : "signal over error, dB (more is better)"
    return DotPlot(
      title: "Rounding weights to \(bits) bits", axis: axis, series: series,
      rows: scopes.map { scope in
        var points = scope.stochastic.figures.map { (3, place($0)) }
        points += [(0, place(scope.nearest)), (1, place(scope.floor)), (2, place(scope.ceiling))]
        if let float { points.append((4, place(float))) }
        return DotPlot.Row(label: scope.name, points: points)
      }
    ).svg
  }
}
