import Foundation
import GyroTensors

/// Where the golden files lie.
let goldenFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .appendingPathComponent("Goldens")

/// ‖a − b‖ / ‖b‖.
func relativeError(_ a: Tensor, _ b: Tensor) -> Double {
  let pairs = zip(a.elements, b.elements)
  let difference = pairs.reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
  return (difference / b.elements.reduce(0.0) { $0 + pow(Double($1), 2) }).squareRoot()
}
