public import GyroTensors
public import Testing

/// Expects two lists of numbers to agree element by element: |a − b| ≤ absolute + relative · |b|.
/// NaN agrees with NaN. A failure names the worst place.
public func expectClose(
  _ values: [Float], _ expected: [Float], relative: Float = 1e-5, absolute: Float = 1e-6,
  _ comment: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
  guard values.count == expected.count else {
    Issue.record(
      "\(values.count) values, \(expected.count) expected \(comment())",
      sourceLocation: sourceLocation)
    return
  }
  var worst = (place: -1, excess: Float(0))
  var wrong = 0
  for place in values.indices {
    let (a, b) = (values[place], expected[place])
    if a == b || (a.isNaN && b.isNaN) { continue }
    let difference = abs(a - b)
    let allowed = absolute + relative * abs(b)
    if difference <= allowed { continue }
    wrong += 1
    let excess = difference.isNaN || allowed == 0 ? Float.infinity : difference / allowed
    if worst.place < 0 || excess > worst.excess { worst = (place, excess) }
  }
  if wrong == 0 { return }
  Issue.record(
    """
    \(wrong) of \(values.count) elements differ; worst at \(worst.place): \(values[worst.place]) \
    is not \(expected[worst.place]) (\(worst.excess)× the tolerance) \(comment())
    """, sourceLocation: sourceLocation)
}

/// Expects two tensors of equal shape to agree element by element.
public func expectClose(
  _ value: Tensor, _ expected: Tensor, relative: Float = 1e-5, absolute: Float = 1e-6,
  _ comment: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
  guard value.shape == expected.shape else {
    Issue.record(
      "shape \(value.shape) is not \(expected.shape) \(comment())", sourceLocation: sourceLocation)
    return
  }
  expectClose(
    value.elements, expected.elements, relative: relative, absolute: absolute, comment(),
    sourceLocation: sourceLocation)
}

/// Expects the same bits in every element, NaN and the sign of zero included.
public func expectSameBits(
  _ value: Tensor, _ expected: Tensor, _ comment: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard value.shape == expected.shape else {
    Issue.record(
      "shape \(value.shape) is not \(expected.shape) \(comment())", sourceLocation: sourceLocation)
    return
  }
  let (a, b) = (value.elements, expected.elements)
  guard let place = a.indices.first(where: { a[$0].bitPattern != b[$0].bitPattern }) else { return }
  Issue.record(
    "element \(place): \(a[place]) has not the bits of \(b[place]) \(comment())",
    sourceLocation: sourceLocation)
}

/// Expects two lists to be equal, and names the first place where they are not. (`==` in an
/// expectation works out the whole difference, which takes forever for long lists.)
public func expectSame<Element: Equatable>(
  _ got: [Element], _ expected: [Element], _ name: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let differing = zip(got, expected).enumerated().first { $1.0 != $1.1 }
  let difference =
    got.count != expected.count
    ? "\(got.count) elements, \(expected.count) were expected"
    : differing.map { "at \($0): \($1.0), expected \($1.1)" }
  if let difference { Issue.record("\(name()) \(difference)", sourceLocation: sourceLocation) }
}
