import CGyroKernels
import Glibc
import GyroTensors
import TestSupport
import Testing

/// The optimizer kernels against the formulas in double precision.
@Suite struct UpdateRuleTests {
  static let counts = [1, 17, 1000, 50_003]

  @Test(arguments: counts) func adamWEqualsItsFormula(_ count: Int) {
    var stream = RandomStream(seed: 1)
    var p = stream.normal([count]).elements
    var m = [Float](repeating: 0, count: count)
    var v = m
    // The same in double precision.
    var (q, n, w) = (p.map(Double.init), m.map(Double.init), v.map(Double.init))
    let (rate, beta1, beta2, epsilon, decay, scale) = (1e-2, 0.9, 0.95, 1e-8, 0.1, 0.5)
    for step in 1...4 {
      let g = stream.normal([count]).elements
      let bias1 = 1 - pow(beta1, Double(step))
      let bias2 = 1 - pow(beta2, Double(step))
      gyro_adamw(
        &p, g, &m, &v, Int64(count), rate, beta1, beta2, epsilon, decay, bias1, bias2, scale)
      for i in 0..<count {
        let gradient = Double(g[i]) * scale
        q[i] *= 1 - rate * decay
        n[i] = beta1 * n[i] + (1 - beta1) * gradient
        w[i] = beta2 * w[i] + (1 - beta2) * gradient * gradient
        q[i] -= rate / bias1 * n[i] / (w[i].squareRoot() / bias2.squareRoot() + epsilon)
      }
    }
    expectClose(p, q.map { Float($0) }, relative: 1e-6, absolute: 1e-6)
    expectClose(m, n.map { Float($0) }, relative: 1e-6, absolute: 1e-6)
    expectClose(v, w.map { Float($0) }, relative: 1e-6, absolute: 1e-6)
  }

  @Test(arguments: counts, [(0.0, false), (0.9, false), (0.9, true)])
  func gradientDescentEqualsItsFormula(_ count: Int, _ kind: (Double, Bool)) {
    let (momentum, nesterov) = kind
    var stream = RandomStream(seed: 2)
    var p = stream.normal([count]).elements
    var velocity = [Float](repeating: 0, count: count)
    var q = p.map(Double.init)
    var w = velocity.map(Double.init)
    for _ in 1...4 {
      let g = stream.normal([count]).elements
      if momentum == 0 {
        gyro_sgd(&p, g, nil, Int64(count), 0.1, 0, 0.01, 0, 2)
      } else {
        gyro_sgd(&p, g, &velocity, Int64(count), 0.1, momentum, 0.01, nesterov ? 1 : 0, 2)
      }
      for i in 0..<count {
        let gradient = 2 * Double(g[i]) + 0.01 * q[i]
        w[i] = momentum * w[i] + gradient
        q[i] -= 0.1 * (nesterov ? gradient + momentum * w[i] : w[i])
      }
    }
    expectClose(p, q.map { Float($0) }, relative: 1e-5, absolute: 3e-6)
  }

  @Test(arguments: counts) func movingAverageEqualsItsFormula(_ count: Int) {
    var stream = RandomStream(seed: 3)
    let start = stream.normal([count]).elements
    let source = stream.normal([count]).elements
    var target = start
    gyro_lerp(&target, source, Int64(count), 0.25)
    #expect(target == zip(start, source).map { $0 + ($1 - $0) * 0.25 })
  }
}
