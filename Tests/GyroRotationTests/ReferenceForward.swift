import Foundation
import GyroAutodiff
import GyroManifolds
import GyroModels
import GyroRotation
import GyroTensors

/// A Llama written out in Float64, sharing nothing with the model but its rotary table: what all
/// transforms are held against.
struct ReferenceForward {
  let weights: LlamaWeights64
  /// R3 and R4, applied while it runs.
  var keys: HadamardTransform?
  var feedForward: HadamardTransform?

  private var shape: LlamaConfiguration { weights.configuration }

  /// Logits `[tokens, vocabulary]` of one window.
  func logits(_ tokens: [Int32]) -> Matrix64 {
    let table = weights["model.embed_tokens.weight"]!
    var hidden = Matrix64(rows: tokens.count, columns: shape.hidden)
    for (row, token) in tokens.enumerated() {
      for column in 0..<shape.hidden { hidden[row, column] = table[Int(token), column] }
    }
    for layer in 0..<shape.layers {
      hidden =
        hidden + attention(normalized(hidden, "model.layers.\(layer).input_layernorm"), layer)
      hidden =
        hidden
        + feedForward(normalized(hidden, "model.layers.\(layer).post_attention_layernorm"), layer)
    }
    return normalized(hidden, "model.norm").matmul(
      weights["lm_head.weight"] ?? table, transposingOther: true)
  }

  private func attention(_ x: Matrix64, _ layer: Int) -> Matrix64 {
    let scope = "model.layers.\(layer).self_attn."
    let (size, length) = (shape.headSize, x.rows)
    func heads(_ name: String, _ count: Int) -> [Matrix64] {
      let all = linear(x, scope + name)
      return (0..<count).map { head in
        var part = Matrix64(rows: length, columns: size)
        for row in 0..<length {
          for column in 0..<size { part[row, column] = all[row, head * size + column] }
        }
        return part
      }
    }
    func placed(_ head: Matrix64, _ norm: String) -> Matrix64 {
      let turned = rotated(shape.queryKeyNorm ? normalized(head, scope + norm) : head)
      return self.keys.map { turned.matmul($0.matrix) } ?? turned
    }
    let queries = heads("q_proj", shape.heads).map { placed($0, "q_norm") }
    let keys = heads("k_proj", shape.keyValueHeads).map { placed($0, "k_norm") }
    let values = heads("v_proj", shape.keyValueHeads)
    var mixed = Matrix64(rows: length, columns: shape.heads * size)
    for head in 0..<shape.heads {
      let shared = head / (shape.heads / shape.keyValueHeads)
      let scores = queries[head].matmul(keys[shared], transposingOther: true)
      var shares = Matrix64(rows: length, columns: length)
      for row in 0..<length {
        let raised = (0...row).map { exp(scores[row, $0] / Double(size).squareRoot()) }
        let sum = raised.reduce(0, +)
        for column in 0...row { shares[row, column] = raised[column] / sum }
      }
      let sums = shares.matmul(values[shared])
      for row in 0..<length {
        for column in 0..<size { mixed[row, head * size + column] = sums[row, column] }
      }
    }
    return linear(mixed, scope + "o_proj")
  }

  private func feedForward(_ x: Matrix64, _ layer: Int) -> Matrix64 {
    let scope = "model.layers.\(layer).mlp."
    let gate = linear(x, scope + "gate_proj"), up = linear(x, scope + "up_proj")
    var inner = up
    for index in inner.elements.indices {
      let value = gate.elements[index]
      inner.elements[index] *= value / (1 + exp(-value))
    }
    return linear(feedForward.map { inner.matmul($0.matrix) } ?? inner, scope + "down_proj")
  }

  private func linear(_ x: Matrix64, _ scope: String) -> Matrix64 {
    var result = x.matmul(weights[ParameterPath(scope + ".weight")]!, transposingOther: true)
    guard let bias = weights[ParameterPath(scope + ".bias")] else { return result }
    for row in 0..<result.rows {
      for column in 0..<result.columns { result[row, column] += bias[0, column] }
    }
    return result
  }

  private func normalized(_ x: Matrix64, _ scope: String) -> Matrix64 {
    let gain = weights[ParameterPath(scope + ".weight")]!
    var result = x
    for row in 0..<x.rows {
      var sum = 0.0
      for column in 0..<x.columns { sum += x[row, column] * x[row, column] }
      let factor = 1 / (sum / Double(x.columns) + Double(shape.normEpsilon)).squareRoot()
      for column in 0..<x.columns { result[row, column] *= factor * gain[0, column] }
    }
    return result
  }

  private func rotated(_ head: Matrix64) -> Matrix64 {
    let table = RotaryTable(
      headSize: shape.headSize, positions: head.rows, base: shape.rotaryBase,
      scaling: shape.rotaryScaling)
    let half = shape.headSize / 2
    var result = head
    for row in 0..<head.rows {
      for pair in 0..<half {
        let (c, s) = (Double(table.cosines[row, pair]), Double(table.sines[row, pair]))
        let (a, b) = (head[row, pair], head[row, pair + half])
        result[row, pair] = a * c - b * s
        result[row, pair + half] = b * c + a * s
      }
    }
    return result
  }
}

/// The largest difference of two matrices.
func distance(_ a: Matrix64, _ b: Matrix64) -> Double { (a - b).largestMagnitude }
