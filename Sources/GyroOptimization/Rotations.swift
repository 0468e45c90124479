import GyroManifolds
import GyroModels
import GyroTensors

/// What the rules for rotations share.
enum Rotations {
  /// A bug, not an input: rules are assigned in code or checked by the recipe.
  static func check(_ parameter: Parameter, rule: String) {
    let shape = parameter.shape
    precondition(
      (shape.rank == 2 || shape.rank == 3) && shape[-2] <= shape[-1],
      "\(rule): \(parameter.path) has shape \(shape); expected [n, n], [p, n] with p < n, or a stack "
        + "[k, p, n] of such matrices")
  }

  /// α = min(rate, clamp / (‖Ω‖₁ + 1e-8)).
  static func stepSize(rate: Double, norm: Double, clamp: Double?) -> Double {
    guard let clamp else { return rate }
    return min(rate, clamp / (norm + 1e-8))
  }

  /// R ← R · cayley(−α Ω) for square R.
  static func move(_ point: inout Tensor, along direction: Tensor, rate: Double, clamp: Double?) {
    let length = stepSize(rate: rate, norm: BodyFrame.norm(direction), clamp: clamp)
    CayleySeries().move(&point, along: direction, by: -length)
  }

  /// Calls `body` with a matrix parameter as it is, or with each matrix of a stack and the matrices of
  /// the state that belong to it. A part of the state that is nil or empty is passed on as it is.
  static func forEach(
    _ point: inout Tensor, _ gradient: Tensor, _ first: inout Tensor?, _ second: inout Tensor,
    _ body: (inout Tensor, Tensor, inout Tensor?, inout Tensor) -> Void
  ) {
    guard point.shape.rank == 3 else { return body(&point, gradient, &first, &second) }
    for place in 0..<point.shape[0] {
      var part = point.matrix(place)
      var firstPart = first.map { $0.matrix(place) }
      var secondPart = second.shape.rank == 3 ? second.matrix(place) : second
      body(&part, gradient.matrix(place), &firstPart, &secondPart)
      point.replaceMatrix(place, with: part)
      if let firstPart { first!.replaceMatrix(place, with: firstPart) }
      if second.shape.rank == 3 { second.replaceMatrix(place, with: secondPart) }
    }
  }
}

extension Tensor {
  fileprivate func matrix(_ place: Int) -> Tensor {
    sliced(axis: 0, place..<place + 1).reshaped([shape[1], shape[2]])
  }

  fileprivate mutating func replaceMatrix(_ place: Int, with matrix: Tensor) {
    let size = matrix.count
    matrix.withElements { source in
      withMutableElements { ($0 + place * size).update(from: source, count: size) }
    }
  }
}
