public import GyroTensors

/// Which formats represent a tensor best, each with one scale at its best clip value, and how heavy
/// the tensor's tails are (2303.17951 §4: the higher the kurtosis, the more exponent bits pay).
public struct FormatRanking: Sendable, Hashable {
  /// `E x⁴ / (E x²)²`: 1.8 for uniform values, 3 for normal ones.
  public let kurtosis: Double
  /// One entry a format, the best first; equals in the order they were asked for.
  public let entries: [Entry]

  public struct Entry: Sendable, Hashable {
    public let format: String
    public let clip: Double
    public let error: RoundingError
  }

  /// INT8 and the 8-bit floats of 2208.09225, in which every code is finite.
  public static let eightBitFormats: [any NumberFormat] =
    [IntegerFormat.int8]
    + (2...5).map { Minifloat.allFinite(exponentBits: $0, mantissaBits: 7 - $0) }

  /// - Precondition: The tensor has elements, all finite.
  public init(of tensor: Tensor, among formats: [any NumberFormat] = eightBitFormats) {
    let density = EmpiricalDensity(tensor)
    kurtosis = density.kurtosis
    entries = formats.map { format in
      let best = ScalarGrid(format).optimum(on: density)
      return Entry(format: format.name, clip: best.clip, error: best.error)
    }.enumerated().sorted {
      ($0.element.error.noise, $0.offset) < ($1.element.error.noise, $1.offset)
    }.map(\.element)
  }
}
