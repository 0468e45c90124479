import Glibc

/// The levels of least mean squared error for a density or for data (Lloyd 1957, Max 1960): each is
/// the mean of the values nearest to it. On data this is k-means on the line.
public struct LloydMax: Sendable, Hashable {
  /// In rising order.
  public let levels: [Double]
  public let error: RoundingError

  /// Halfway between neighbors.
  public var thresholds: [Double] { zip(levels, levels.dropFirst()).map { ($0 + $1) / 2 } }

  /// The optimum for a density, to about 1e-13 in the levels.
  ///
  /// Lloyd's iteration closes in by a constant factor that goes to 1 as levels get many, so it only
  /// makes the start; Newton's method on `g P(cell) = M(cell)`, whose matrix is tridiagonal, then
  /// doubles the digits with each step.
  ///
  /// - Parameter count: 1 to 256 levels.
  public init(levels count: Int, of density: some SmoothDensity) {
    precondition((1...256).contains(count), "LloydMax: 1 to 256 levels, not \(count)")
    var levels = Self.start(count, density)
    for _ in 0..<20 { levels = Self.centroids(levels, density) ?? levels }
    for _ in 0..<2000 {
      let residuals = Self.residuals(levels, density)
      let worst = residuals.reduce(0) { max($0, abs($1)) }
      guard worst > 1e-17 else { break }
      let step = Self.newtonStep(levels, residuals, density)
      let next = zip(levels, step).map { $0 - $1 }
      let isOrdered = zip(next, next.dropFirst()).allSatisfy { $0 < $1 }
      let after =
        isOrdered
        ? Self.residuals(next, density).reduce(0) { max($0, abs($1)) } : .infinity
      if after < worst {
        levels = next
      } else if let plain = Self.centroids(levels, density), worst > 1e-14 {
        levels = plain
      } else {
        break  // the last digits
      }
    }
    self.levels = levels
    error = Self.error(levels, density)
  }

  /// One-dimensional k-means on data, weighted or not. Starts from the data's quantiles and from
  /// equal steps, keeps the better, and needs no luck: a level that no value is nearest to moves to
  /// the value that is furthest from its own.
  ///
  /// - Parameter count: 1 to 256 levels; fewer come back when there are fewer distinct values.
  public init(levels count: Int, of data: EmpiricalDensity) {
    precondition((1...256).contains(count), "LloydMax: 1 to 256 levels, not \(count)")
    let distinct = data.values.enumerated().lazy
      .filter { $0.offset == 0 || $0.element != data.values[$0.offset - 1] }.prefix(count + 1)
      .map { Double($0.element) }
    if distinct.count <= count {
      levels = Array(distinct)
      error = Self.error(levels, data)
      return
    }
    let (low, high) = (Double(data.values[0]), Double(data.values.last!))
    let steps = (0..<count).map { low + (high - low) * (Double($0) + 0.5) / Double(count) }
    let quantiles = (0..<count).map { index in
      Double(data.values[(2 * index + 1) * data.values.count / (2 * count)])
    }
    let results = [quantiles, steps].map { start in
      let levels = Self.kMeans(start, data)
      return (levels, Self.error(levels, data))
    }
    (levels, error) = results[0].1.noise <= results[1].1.noise ? results[0] : results[1]
  }

  /// The levels as a number format, scaled so that the largest absolute one is 1; the scale that
  /// undoes it is ``largest``.
  /// - Precondition: At least two levels that stay distinct in Float32.
  public func codebook(named name: String) -> Codebook {
    Codebook(name: name, levels: levels.map { Float($0 / largest) })
  }

  /// The largest absolute level.
  public var largest: Double { max(abs(levels.first!), abs(levels.last!)) }
}

extension LloydMax {
  /// Quantiles of the density between its clip values, a few times as wide as needed.
  private static func start(_ count: Int, _ density: some SmoothDensity) -> [Double] {
    (0..<count).map { index in
      let wanted = (Double(index) + 0.5) / Double(count)
      var (low, high) = (-density.clips.upperBound, density.clips.upperBound)
      for _ in 0..<200 where low.nextUp < high {
        let middle = (low + high) / 2
        if density.moments(below: middle).mass < wanted { low = middle } else { high = middle }
      }
      return (low + high) / 2
    }
  }

  private static func cells(_ levels: [Double], _ density: some Density) -> [PartialMoments] {
    var below = PartialMoments(mass: 0, mean: 0)
    return levels.indices.map { index in
      let isLast = index == levels.count - 1
      let next = density.moments(
        below: isLast ? .infinity : (levels[index] + levels[index + 1]) / 2)
      defer { below = next }
      return next - below
    }
  }

  /// The mean of each cell; nil when a cell is empty.
  private static func centroids(_ levels: [Double], _ density: some Density) -> [Double]? {
    let cells = cells(levels, density)
    guard cells.allSatisfy({ $0.mass > 0 }) else { return nil }
    return cells.map { $0.mean / $0.mass }
  }

  private static func residuals(_ levels: [Double], _ density: some Density) -> [Double] {
    zip(levels, cells(levels, density)).map { $0 * $1.mass - $1.mean }
  }

  /// Solves `J step = residuals`; a threshold moves by half of what its levels move.
  private static func newtonStep(
    _ levels: [Double], _ residuals: [Double], _ density: some SmoothDensity
  ) -> [Double] {
    let count = levels.count
    let masses = cells(levels, density).map(\.mass)
    // (distance to the threshold) × (height there) / 2, for the threshold above each level.
    let couplings = (0..<count - 1).map { index in
      let gap = (levels[index + 1] - levels[index]) / 2
      return gap * density.height(at: levels[index] + gap) / 2
    }
    var diagonal = masses
    for (index, coupling) in couplings.enumerated() {
      diagonal[index] -= coupling
      diagonal[index + 1] -= coupling
    }
    var right = residuals
    for index in 1..<max(count, 1) {  // Thomas: the off-diagonal elements are −coupling
      let factor = -couplings[index - 1] / diagonal[index - 1]
      diagonal[index] += factor * couplings[index - 1]
      right[index] -= factor * right[index - 1]
    }
    for index in stride(from: count - 1, through: 0, by: -1) {
      if index + 1 < count { right[index] += couplings[index] * right[index + 1] }
      right[index] /= diagonal[index]
    }
    return right
  }

  private static func kMeans(_ start: [Double], _ data: EmpiricalDensity) -> [Double] {
    var levels = Array(Set(start)).sorted()
    levels = filled(levels, to: start.count, data)
    for _ in 0..<10_000 {
      let cells = cells(levels, data)
      let kept = cells.filter { $0.mass > 0 }.map { $0.mean / $0.mass }
      let next = filled(kept, to: start.count, data)
      if next == levels { break }
      levels = next
    }
    return levels
  }

  /// Adds levels until there are `count`: each time the distinct value that is furthest, counted
  /// with its cell, from the level it belongs to; the lesser of equals.
  private static func filled(
    _ levels: [Double], to count: Int, _ data: EmpiricalDensity
  ) -> [Double] {
    var levels = levels
    while levels.count < count {
      var furthest = (distance: 0.0, value: 0.0)
      for index in levels.indices {
        let low = index == 0 ? -Double.infinity : (levels[index - 1] + levels[index]) / 2
        let high =
          index == levels.count - 1 ? .infinity : (levels[index] + levels[index + 1]) / 2
        let places = data.firstPlace(notBelow: low)..<data.firstPlace(notBelow: high)
        guard let first = places.first, let last = places.last else { continue }
        for place in [first, last] {
          let value = Double(data.values[place])
          let distance = abs(value - levels[index])
          if distance > furthest.distance { furthest = (distance, value) }
        }
      }
      guard furthest.distance > 0 else { break }
      levels.append(furthest.value)
      levels.sort()
    }
    return levels
  }

  private static func error(_ levels: [Double], _ density: some Density) -> RoundingError {
    let cells = cells(levels, density)
    let squares = zip(levels, cells).reduce(0) { $0 + $1.0 * $1.0 * $1.1.mass }
    let products = zip(levels, cells).reduce(0) { $0 + $1.0 * $1.1.mean }
    let power = density.secondMoment
    return RoundingError(
      noise: max(power + squares - 2 * products, 0), correlation: products - power, power: power)
  }
}
