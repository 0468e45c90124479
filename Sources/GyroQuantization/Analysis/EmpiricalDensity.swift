public import GyroTensors

/// Data as a density: each value has the same mass, or a weight. Built by sorting once; after that
/// any grid's exact error costs two look-ups a level, however many values there are.
public struct EmpiricalDensity: Density {
  /// The values, in rising order.
  public let values: [Float]
  /// Mass and mean of the values before each place, and of all.
  let masses: [Double]
  let means: [Double]
  public let secondMoment: Double
  /// `E x⁴ / (E x²)²`: 1 for ±1, 1.8 for uniform values, 3 for normal ones, more with outliers.
  /// NaN when all values are zero.
  public let kurtosis: Double

  /// - Parameter weights: One nonnegative weight a value, not all zero; equal ones when nil.
  /// - Precondition: There are values, all finite.
  public init(_ values: [Float], weights: [Float]? = nil) {
    precondition(!values.isEmpty, "EmpiricalDensity: there are no values")
    precondition(
      weights == nil || weights!.count == values.count,
      "EmpiricalDensity: \(values.count) values and \(weights?.count ?? 0) weights")
    precondition(values.allSatisfy(\.isFinite), "EmpiricalDensity: a value is not finite")
    let total = weights.map { $0.reduce(0) { $0 + Double($1) } } ?? Double(values.count)
    precondition(total > 0, "EmpiricalDensity: all weights are zero")
    let order = weights == nil ? nil : values.indices.sorted { values[$0] < values[$1] }
    let sorted = order.map { $0.map { values[$0] } } ?? values.sorted()
    var (masses, means) = ([0.0], [0.0])
    masses.reserveCapacity(values.count + 1)
    means.reserveCapacity(values.count + 1)
    var (mass, sum, squares, fourths) = (0.0, 0.0, 0.0, 0.0)
    for (place, value) in sorted.enumerated() {
      let weight = order.map { Double(weights![$0[place]]) } ?? 1
      let x = Double(value)
      mass += weight
      sum += weight * x
      squares += weight * x * x
      fourths += weight * x * x * x * x
      masses.append(mass / total)
      means.append(sum / total)
    }
    self.values = sorted
    self.masses = masses
    self.means = means
    secondMoment = squares / total
    kurtosis = fourths / total / (secondMoment * secondMoment)
  }

  /// The elements of a tensor, which must be finite.
  public init(_ tensor: Tensor) { self.init(tensor.elements) }

  /// The largest absolute value.
  public var largest: Double { max(-Double(values[0]), Double(values[values.count - 1])) }

  public var clips: ClosedRange<Double> {
    let top = largest > 0 ? largest : 1
    return top / 256...top * 2
  }

  public func moments(below x: Double) -> PartialMoments {
    let place = firstPlace(notBelow: x)
    return PartialMoments(mass: masses[place], mean: means[place])
  }

  /// How many values are less than `x`.
  func firstPlace(notBelow x: Double) -> Int {
    values.withUnsafeBufferPointer { values in
      var (low, count) = (0, values.count)
      while count > 0 {
        let half = count / 2
        let isBelow = Double(values[low + half]) < x
        low = isBelow ? low + half + 1 : low
        count = isBelow ? count - half - 1 : half
      }
      return low
    }
  }
}
