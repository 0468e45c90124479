import Foundation
import GyroAutodiff
import GyroTensors
import TestSupport

@testable import GyroQuantization

/// One pass through an estimator, forward and back.
struct Pass {
  let value: Tensor
  let x: Tensor
  let states: [String: Tensor]

  init(
    _ estimator: any GradientEstimator, _ quantizer: Quantizer, _ x: Tensor,
    _ state: [String: Tensor] = [:], cotangent: Tensor? = nil, seed: UInt64 = 7
  ) throws {
    let names = state.keys.sorted()
    let (value, gradients) = try valueAndGradients(
      of: [x] + names.map { state[$0]! }, cotangent: cotangent
    ) { leaves in
      let states = Dictionary(uniqueKeysWithValues: zip(names, leaves.dropFirst()))
      return try estimator.quantize(leaves[0], quantizer, states, RandomStream(seed: seed))
    }
    self.value = value
    self.x = gradients[0]
    states = Dictionary(uniqueKeysWithValues: zip(names, gradients.dropFirst()))
  }
}

func initialState(
  _ estimator: any GradientEstimator, _ quantizer: Quantizer, _ x: Tensor
) throws -> [String: Tensor] {
  let scales = try quantizer.scales(covering: x)
  let states = try estimator.initialState(for: x, quantizer, scales: scales)
  return Dictionary(uniqueKeysWithValues: states.map { ($0.name, $0.value) })
}

func vector(_ elements: [Float]) -> Tensor { Tensor([elements.count], elements: elements) }

/// The quantiles of the normal distribution at (i + ½)/count: a Gaussian without chance.
func gaussianQuantiles(_ count: Int) -> Tensor {
  vector(
    (0..<count).map { index in
      let target = (Double(index) + 0.5) / Double(count)
      var (low, high) = (-9.0, 9.0)
      for _ in 0..<50 {
        let middle = (low + high) / 2
        if 0.5 * erfc(-middle / 2.0.squareRoot()) < target { low = middle } else { high = middle }
      }
      return Float((low + high) / 2)
    })
}

extension Tensor {
  /// Mean squared difference over the mean square of `x`.
  func errorRatio(from x: Tensor) -> Double { sumOfSquaredDifferences(from: x) / x.sumOfSquares() }
}

/// Learns the states by plain gradient descent on the mean squared error of x̂ from x.
func descend(
  _ estimator: any GradientEstimator, _ quantizer: Quantizer, _ x: Tensor,
  _ start: [String: Tensor], rate: Float, steps: Int, perElement: Bool = true,
  except fixed: String? = nil
) throws -> (states: [String: Tensor], errors: [Double]) {
  var state = start
  var errors: [Double] = []
  for _ in 0..<steps {
    let value = try estimator.quantized(x, quantizer, state).tensor
    errors.append(value.errorRatio(from: x))
    let cotangent = (value - x) * (perElement ? 2 / Float(x.count) : 2)
    let pass = try Pass(estimator, quantizer, x, state, cotangent: cotangent)
    for (name, gradient) in pass.states where name != fixed {
      state[name]!.add(gradient, scaledBy: -rate)
    }
    estimator.constrain(&state)
  }
  return (state, errors)
}
