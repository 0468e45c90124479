package import GyroTensors

/// A residual that its pullback takes out, so that the pullback becomes the only owner and may
/// write its result over it.
package final class TakenOnce {
  private var value: Tensor?

  package init(_ value: Tensor) { self.value = value }

  package func take() -> Tensor {
    guard let taken = value else { preconditionFailure("TakenOnce: a pullback ran twice") }
    value = nil
    return taken
  }
}

extension Tensor {
  /// A tensor of the same shape whose elements `body` works out from these, place by place: written
  /// over them when nobody else holds them, into fresh memory otherwise.
  package consuming func replacingElements(
    _ body: (UnsafePointer<Float>, Shape, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    let shape = self.shape
    var result = self
    if result.isUnique() {
      result.withMutableElements { body(UnsafePointer($0), shape, $0) }
      return result
    }
    return result.withElements { source in
      Tensor.filled(shape) { body(source, shape, $0) }
    }
  }
}
