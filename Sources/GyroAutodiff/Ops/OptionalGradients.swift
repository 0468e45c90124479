import GyroTensors

extension [Tensor?] {
  /// Calls `body` with one pointer per element for writing, nil where there is no tensor: the way
  /// kernels learn which gradients are wanted.
  mutating func withMutablePointers(_ body: ([UnsafeMutablePointer<Float>?]) -> Void) {
    var pointers: [UnsafeMutablePointer<Float>?] = []
    func next(_ place: Int, _ gradients: inout [Tensor?]) {
      guard place < gradients.count else { return body(pointers) }
      guard var gradient = gradients[place] else {
        pointers.append(nil)
        return next(place + 1, &gradients)
      }
      gradients[place] = nil  // so that `gradient` is the only owner and is written in place
      gradient.withMutableElements {
        pointers.append($0)
        next(place + 1, &gradients)
      }
      gradients[place] = gradient
    }
    next(0, &self)
  }
}
