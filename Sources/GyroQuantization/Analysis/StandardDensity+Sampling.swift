import Glibc
public import GyroTensors

extension StandardDensity {
  /// Independent values, for comparing what is computed on paper with what a quantizer does.
  public func sample(_ shape: Shape, _ random: inout RandomStream) -> Tensor {
    switch self {
    case .uniform: return random.uniform(shape, in: -1..<1)
    case .gaussian: return random.normal(shape)
    case .laplace:
      return Tensor.filled(shape) { pointer in
        for index in 0..<shape.count {
          let magnitude = -log((Double(random.next() >> 11) + 0.5) * 0x1p-53)
          pointer[index] = Float(random.next() & 1 == 0 ? magnitude : -magnitude)
        }
      }
    case .studentT(let freedom):
      // Bailey (1994): the polar method with another radius.
      return Tensor.filled(shape) { pointer in
        for index in 0..<shape.count {
          let u = (Double(random.next() >> 11) + 0.5) * 0x1p-53
          let angle = 2 * Double.pi * Double(random.next() >> 11) * 0x1p-53
          let radius = (freedom * (pow(u, -2 / freedom) - 1)).squareRoot()
          pointer[index] = Float(radius * cos(angle))
        }
      }
    }
  }
}
