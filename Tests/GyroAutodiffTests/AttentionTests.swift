import Glibc
import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

@Suite struct AttentionTests {
  /// A problem to attend in.
  struct Problem: CustomTestStringConvertible {
    var batch = 1
    var queries: Int, keys: Int, heads: Int, keyHeads: Int, size: Int
    var causal = true

    var testDescription: String {
      "\(batch)×\(queries)→\(keys), heads \(heads)/\(keyHeads) × \(size)\(causal ? ", causal" : "")"
    }
    var op: AttentionOp {
      AttentionOp(queryHeads: heads, keyValueHeads: keyHeads, causal: causal)
    }
    /// Query, key, value and cotangent.
    func inputs(seed: UInt64 = 1) -> [Tensor] {
      var random = RandomStream(seed: seed)
      let features = keyHeads * size
      return [
        random.normal([batch, queries, heads * size]), random.normal([batch, keys, features]),
        random.normal([batch, keys, features]), random.normal([batch, queries, heads * size]),
      ]
    }
  }

  /// The definition in double precision: output and the three gradients.
  private func reference(_ p: Problem, _ inputs: [Tensor]) -> [[Float]] {
    let (q, k, v) = (inputs[0].elements, inputs[1].elements, inputs[2].elements)
    let dy = inputs[3].elements, scale = 1 / Double(p.size).squareRoot()
    var y = [Double](repeating: 0, count: q.count), dq = y
    var dk = [Double](repeating: 0, count: k.count), dv = dk
    func dot(_ a: [Float], _ i: Int, _ b: [Float], _ j: Int) -> Double {
      (0..<p.size).reduce(0) { $0 + Double(a[i + $1]) * Double(b[j + $1]) }
    }
    for row in 0..<p.batch * p.queries * p.heads {
      let head = row % p.heads, time = row / p.heads % p.queries
      let batch = row / p.heads / p.queries, here = row * p.size
      let seen = p.causal ? time + 1 + p.keys - p.queries : p.keys
      let places = (0..<seen).map {
        ((batch * p.keys + $0) * p.keyHeads + head / (p.heads / p.keyHeads)) * p.size
      }
      let scores = places.map { scale * dot(q, here, k, $0) }
      let largest = scores.max()!
      let weights = scores.map { exp($0 - largest) }
      let sum = weights.reduce(0, +)
      let shares = weights.map { $0 / sum }, slopes = places.map { dot(dy, here, v, $0) }
      let mean = zip(shares, slopes).reduce(0) { $0 + $1.0 * $1.1 }
      for (place, (share, slope)) in zip(places, zip(shares, slopes)) {
        let gradient = share * (slope - mean) * scale
        for i in 0..<p.size {
          y[here + i] += share * Double(v[place + i])
          dv[place + i] += share * Double(dy[here + i])
          dq[here + i] += gradient * Double(k[place + i])
          dk[place + i] += gradient * Double(q[here + i])
        }
      }
    }
    return [y, dq, dk, dv].map { $0.map(Float.init) }
  }

  private static let problems: [Problem] = [
    Problem(queries: 1, keys: 1, heads: 1, keyHeads: 1, size: 8),
    Problem(batch: 2, queries: 5, keys: 5, heads: 8, keyHeads: 8, size: 20),
    Problem(queries: 33, keys: 33, heads: 4, keyHeads: 2, size: 64),
    Problem(batch: 2, queries: 70, keys: 70, heads: 8, keyHeads: 1, size: 8),
    Problem(queries: 70, keys: 70, heads: 2, keyHeads: 2, size: 80),
    Problem(queries: 129, keys: 129, heads: 2, keyHeads: 1, size: 20),
    // More keys than queries: a cache. The few-query path, and blocks that the mask cuts anywhere.
    Problem(batch: 2, queries: 1, keys: 150, heads: 8, keyHeads: 2, size: 64),
    Problem(queries: 3, keys: 100, heads: 2, keyHeads: 2, size: 20),
    Problem(queries: 5, keys: 77, heads: 4, keyHeads: 1, size: 80),
    Problem(batch: 2, queries: 70, keys: 135, heads: 4, keyHeads: 2, size: 16),
    // All keys seen by all.
    Problem(queries: 1, keys: 70, heads: 2, keyHeads: 1, size: 20, causal: false),
    Problem(batch: 2, queries: 70, keys: 33, heads: 4, keyHeads: 4, size: 64, causal: false),
    Problem(queries: 33, keys: 129, heads: 8, keyHeads: 4, size: 8, causal: false),
  ]

  @Test(arguments: problems)
  func `values and gradients equal the definition`(_ problem: Problem) {
    let inputs = problem.inputs(), expected = reference(problem, inputs)
    let (y, gradients) = valueAndGradients(of: Array(inputs[0..<3]), cotangent: inputs[3]) {
      Variable.attention(
        query: $0[0], key: $0[1], value: $0[2], queryHeads: problem.heads,
        keyValueHeads: problem.keyHeads, causal: problem.causal)
    }
    expectClose(y.elements, expected[0], relative: 1e-5, absolute: 3e-6)
    for (gradient, expected) in zip(gradients, expected.dropFirst()) {
      expectClose(gradient.elements, expected, relative: 2e-5, absolute: 2e-5)
    }
    let plain = Tensor.attention(
      query: inputs[0], key: inputs[1], value: inputs[2], queryHeads: problem.heads,
      keyValueHeads: problem.keyHeads, causal: problem.causal)
    expectSameBits(plain, y)
  }

  @Test(arguments: [
    Problem(batch: 2, queries: 7, keys: 7, heads: 4, keyHeads: 2, size: 12),
    Problem(queries: 6, keys: 70, heads: 2, keyHeads: 2, size: 16),
    Problem(queries: 4, keys: 9, heads: 2, keyHeads: 1, size: 8, causal: false),
  ])
  func `gradients are the derivatives`(_ problem: Problem) {
    let inputs = Array(problem.inputs()[0..<3])
    checkGradients(of: inputs) { .apply(problem.op, to: $0) }
    checkNeeds(problem.op, inputs)
  }

  @Test func `later keys do not reach earlier queries`() {
    let problem = Problem(queries: 70, keys: 70, heads: 2, keyHeads: 2, size: 16)
    let inputs = problem.inputs()
    let y = problem.op.forward(Array(inputs[0..<3])).output
    // Whatever comes after the first 37 tokens.
    func spoiled(_ x: Tensor) -> Tensor {
      Tensor(x.shape, elements: x.elements.enumerated().map { $0 < 37 * 32 ? $1 : 1e15 })
    }
    let other = problem.op.forward([inputs[0], spoiled(inputs[1]), spoiled(inputs[2])]).output
    expectSameBits(other.sliced(axis: 1, 0..<37), y.sliced(axis: 1, 0..<37))
  }

  @Test(arguments: [1, 7, 40])
  func `queries in pieces against a cache give what all at once give`(_ piece: Int) {
    let problem = Problem(queries: 80, keys: 80, heads: 4, keyHeads: 2, size: 20)
    let inputs = problem.inputs()
    let whole = problem.op.forward(Array(inputs[0..<3])).output
    for start in stride(from: 0, to: 80, by: piece) {
      let end = min(start + piece, 80)
      let part = Tensor.attention(
        query: inputs[0].sliced(axis: 1, start..<end), key: inputs[1].sliced(axis: 1, 0..<end),
        value: inputs[2].sliced(axis: 1, 0..<end), queryHeads: 4, keyValueHeads: 2)
      expectClose(
        part, whole.sliced(axis: 1, start..<end).contiguous(), relative: 1e-5, absolute: 1e-6)
    }
  }

  @Test func `huge scores do not overflow`() {
    // Each query matches its own key by thousands, and the maximum grows block by block.
    let time = 130, size = 16
    var random = RandomStream(seed: 7)
    let value = random.normal([1, time, size])
    let key = Tensor.filled([1, time, size]) { pointer in
      for t in 0..<time {
        for i in 0..<size { pointer[t * size + i] = i == t % size ? 1e4 * Float(t + 1) : 0 }
      }
    }
    let (y, gradients) = valueAndGradients(of: [key, key, value]) {
      Variable.attention(
        query: $0[0], key: $0[1], value: $0[2], queryHeads: 1, keyValueHeads: 1)
    }
    expectClose(y, value)
    for gradient in gradients {
      let isFinite = gradient.elements.allSatisfy(\.isFinite)
      #expect(isFinite)
    }
  }

  @Test func `NaN is not hidden`() {
    let problem = Problem(queries: 20, keys: 20, heads: 1, keyHeads: 1, size: 16)
    var inputs = problem.inputs()
    inputs[1].withMutableElements { $0[5 * 16 + 3] = .nan }
    let y = problem.op.forward(Array(inputs[0..<3])).output.elements
    #expect(y.map(\.isNaN) == y.indices.map { $0 >= 5 * 16 })
  }

  @Test func `a scale replaces the root of the head size`() {
    let problem = Problem(queries: 9, keys: 9, heads: 2, keyHeads: 2, size: 16)
    let inputs = problem.inputs()
    func attend(_ query: Tensor, _ scale: Float?) -> Tensor {
      .attention(
        query: query, key: inputs[1], value: inputs[2], queryHeads: 2, keyValueHeads: 2,
        scale: scale)
    }
    let doubled = Tensor(inputs[0].shape, elements: inputs[0].elements.map { 2 * $0 })
    expectSameBits(attend(inputs[0], 0.5), attend(doubled, nil))
  }
}
