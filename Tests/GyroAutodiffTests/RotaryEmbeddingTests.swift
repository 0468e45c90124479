import Glibc
import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

@Suite struct RotaryEmbeddingTests {
  @Test(arguments: [2, 8, 20, 64], [0, 3])
  func `pairs turn by position times frequency`(_ size: Int, _ start: Int) {
    var random = RandomStream(seed: 1)
    let x = random.normal([2, 9, 3 * size]), half = size / 2
    let table = RotaryTable(headSize: size, positions: 12, base: 500)
    let y = Variable(constant: x).rotated(table, heads: 3, startingAt: start).value
    let source = x.elements
    var expected = [Float](repeating: 0, count: x.count)
    for row in 0..<18 {
      for head in 0..<3 {
        for j in 0..<half {
          let angle = Double(start + row % 9) * pow(500, -2 * Double(j) / Double(size))
          let place = (row * 3 + head) * size + j
          let a = Double(source[place]), b = Double(source[place + half])
          expected[place] = Float(a * cos(angle) - b * sin(angle))
          expected[place + half] = Float(b * cos(angle) + a * sin(angle))
        }
      }
    }
    expectClose(y.elements, expected, relative: 1e-6, absolute: 1e-6)
    let split = Variable(constant: x.reshaped([2, 9, 3, size]))
    expectSameBits(
      split.rotated(table, heads: 3, startingAt: start).value.reshaped(to: x.shape), y)
  }

  @Test func `gradients are the derivatives`() {
    var random = RandomStream(seed: 2)
    let x = random.normal([2, 5, 24]), table = RotaryTable(headSize: 12, positions: 8)
    checkGradients(of: [x]) { $0[0].rotated(table, heads: 2, startingAt: 3) }
    checkNeeds(RotaryOp(table: table, heads: 2, start: 3), [x])
  }

  @Test func `the pullback undoes the rotation`() {
    var random = RandomStream(seed: 3)
    let x = random.normal([1, 40, 64]), table = RotaryTable(headSize: 64, positions: 40)
    let op = RotaryOp(table: table, heads: 1, start: 0)
    let back = op.pullback(op.forward([x]).output, (), needs: [true])[0]!
    expectClose(back, x, absolute: 1e-6)
  }

  @Test func `scores depend on the distance alone`() {
    var random = RandomStream(seed: 4)
    let query = random.normal([1, 1, 16]), key = random.normal([1, 1, 16])
    let table = RotaryTable(headSize: 16, positions: 64)
    func score(_ i: Int, _ j: Int) -> Float {
      let q = Variable(constant: query).rotated(table, heads: 1, startingAt: i).value
      let k = Variable(constant: key).rotated(table, heads: 1, startingAt: j).value
      return zip(q.elements, k.elements).reduce(0) { $0 + $1.0 * $1.1 }
    }
    expectClose([score(20, 13), score(57, 50)], [score(7, 0), score(7, 0)], absolute: 1e-5)
  }

  @Test func `linear scaling squeezes the positions`() {
    let plain = RotaryTable(headSize: 16, positions: 10)
    let scaled = RotaryTable(headSize: 16, positions: 37, scaling: .linear(factor: 4))
    for position in 0..<10 {
      for j in 0..<8 {
        expectClose([scaled.sines[4 * position, j]], [plain.sines[position, j]])
        expectClose([scaled.cosines[4 * position, j]], [plain.cosines[position, j]])
      }
    }
  }

  @Test func `Llama 3 scaling keeps short waves, stretches long ones and ramps between`() {
    let scaling = RotaryScaling.llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    func frequency(_ wavelength: Double) -> Double { 2 * .pi / wavelength }
    #expect(scaling.scaled(frequency(2000)) == frequency(2000))
    #expect(scaling.scaled(frequency(9000)) == frequency(9000) / 8)
    // Half way along the ramp: 8192 / w = 2.5.
    let middle = frequency(8192 / 2.5)
    #expect(abs(scaling.scaled(middle) / middle - 0.5625) < 1e-12)
    // Continuous at both ends.
    for edge in [2048.0, 8192] {
      let below = scaling.scaled(frequency(edge * (1 - 1e-9)))
      let above = scaling.scaled(frequency(edge * (1 + 1e-9)))
      #expect(abs(below / above - 1) < 1e-6)
    }
    #expect(RotaryScaling.none.scaled(0.25) == 0.25)
  }
}
