import CGyroKernels
import CGyroParallel
public import GyroTensors

/// Scaled dot-product attention with grouped heads, in blocks: the matrix of all scores never
/// exists, forward or backward. What is kept is the output and one number per query and head.
package struct AttentionOp: Op {
  package struct Residual {
    let query: Tensor, key: Tensor, value: Tensor, output: Tensor
    /// `[batch, queryHeads, queries]`: the logarithm of each softmax's denominator.
    let logSums: Tensor
  }

  let queryHeads: Int
  let keyValueHeads: Int
  let causal: Bool
  let scale: Float?

  package init(queryHeads: Int, keyValueHeads: Int, causal: Bool, scale: Float? = nil) {
    self.queryHeads = queryHeads
    self.keyValueHeads = keyValueHeads
    self.causal = causal
    self.scale = scale
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let query = inputs[0].contiguous(), key = inputs[1].contiguous()
    let value = inputs[2].contiguous()
    var shape = kernelShape(query.shape, key.shape, value.shape)
    var logSums = Tensor(uninitialized: [query.shape[0], queryHeads, query.shape[1]])
    let scratch = floats(gyro_attention_forward_scratch(&shape))
    let output = query.withElements { query in
      key.withElements { key in
        value.withElements { value in
          logSums.withMutableElements { logSums in
            Tensor.filled(inputs[0].shape) {
              gyro_attention_forward(
                &shape, query, key, value, $0, logSums,
                scratch.pointer.assumingMemoryBound(to: Float.self))
            }
          }
        }
      }
    }
    return (
      output,
      Residual(query: query, key: key, value: value, output: output, logSums: logSums)
    )
  }

  package func pullback(
    _ cotangent: Tensor, _ residual: Residual, needs: [Bool]
  ) -> [Tensor?] {
    let inputs = [residual.query, residual.key, residual.value]
    var gradients = zip(needs, inputs).map { $0 ? Tensor(uninitialized: $1.shape) : nil }
    guard needs.contains(true) else { return gradients }
    var shape = kernelShape(residual.query.shape, residual.key.shape, residual.value.shape)
    let scratch = floats(gyro_attention_backward_scratch(&shape))
    residual.query.withElements { query in
      residual.key.withElements { key in
        residual.value.withElements { value in
          residual.output.withElements { output in
            residual.logSums.withElements { logSums in
              cotangent.withElements { cotangent in
                gradients.withMutablePointers {
                  gyro_attention_backward(
                    &shape, query, key, value, output, logSums, cotangent, $0[0], $0[1], $0[2],
                    scratch.pointer.assumingMemoryBound(to: Float.self))
                }
              }
            }
          }
        }
      }
    }
    return gradients
  }

  /// Scratch memory for all threads.
  private func floats(_ perThread: Int64) -> PooledBuffer {
    PooledBuffer(
      byteCount: Int(perThread) * Int(gyro_thread_count()) * MemoryLayout<Float>.size)
  }

  private func kernelShape(_ query: Shape, _ key: Shape, _ value: Shape) -> gyro_attention {
    precondition(
      query.rank == 3 && key.rank == 3 && key == value && query[0] == key[0] && key[1] > 0,
      """
      attention: queries \(query), keys \(key) and values \(value) must be \
      [batch, time, features], with the same batch, and keys shaped like values
      """)
    precondition(
      keyValueHeads > 0 && queryHeads % keyValueHeads == 0,
      "attention: \(queryHeads) query heads cannot share \(keyValueHeads) key heads evenly")
    let headSize = query[2] / max(queryHeads, 1)
    precondition(
      headSize * queryHeads == query[2] && headSize * keyValueHeads == key[2] && headSize > 0,
      """
      attention: queries \(query) in \(queryHeads) heads and keys \(key) in \(keyValueHeads) heads \
      differ in head size
      """)
    precondition(
      !causal || key[1] >= query[1],
      "attention: causal queries \(query) outnumber the keys \(key)")
    let scale = scale ?? 1 / Float(headSize).squareRoot()
    precondition(scale > 0, "attention: the scale must be positive, not \(scale)")
    return gyro_attention(
      batch: Int64(query[0]), queries: Int64(query[1]), keys: Int64(key[1]),
      query_heads: Int64(queryHeads), key_heads: Int64(keyValueHeads), head_size: Int64(headSize),
      causal: causal ? 1 : 0, scale: scale)
  }
}

extension Variable {
  /// `softmax(scale · q kᵀ) v` per head (Vaswani et al., 1706.03762; in blocks as in Dao et al.,
  /// 2205.14135).
  ///
  /// The products fuse multiplication and addition where the processor can, as the matrix library
  /// does: the last bits depend on the instruction set, never on the number of threads.
  ///
  /// - Parameters:
  ///   - query: `[batch, queries, queryHeads · headSize]`.
  ///   - key: `[batch, keys, keyValueHeads · headSize]`.
  ///   - value: shaped like `key`.
  ///   - queryHeads: a multiple of `keyValueHeads`; query head `h` reads key head
  ///     `h / (queryHeads / keyValueHeads)` (Ainslie et al., 2305.13245).
  ///   - causal: query `i` sees the keys up to `i + keys − queries`, so the last query sees all.
  ///   - scale: `1 / √headSize` when nil.
  /// - Returns: `[batch, queries, queryHeads · headSize]`.
  public static func attention(
    query: Variable, key: Variable, value: Variable, queryHeads: Int, keyValueHeads: Int,
    causal: Bool = true, scale: Float? = nil
  ) -> Variable {
    let op = AttentionOp(
      queryHeads: queryHeads, keyValueHeads: keyValueHeads, causal: causal, scale: scale)
    return .apply(op, to: query, key, value)
  }
}

extension Tensor {
  /// `Variable.attention` without gradients, for evaluation and generation.
  public static func attention(
    query: Tensor, key: Tensor, value: Tensor, queryHeads: Int, keyValueHeads: Int,
    causal: Bool = true, scale: Float? = nil
  ) -> Tensor {
    let op = AttentionOp(
      queryHeads: queryHeads, keyValueHeads: keyValueHeads, causal: causal, scale: scale)
    return op.forward([query, key, value]).output
  }
}
