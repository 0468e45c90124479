import CGyroKernels
package import GyroTensors

/// `y = silu(gate) ⊙ up`. The residual is the inputs themselves; the pullback computes the sigmoid
/// again, which costs less than reading it.
package struct SwiGLUOp: Op {
  package typealias Residual = (gate: Tensor, up: Tensor)

  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let gate = inputs[0].contiguous(), up = inputs[1].contiguous()
    precondition(
      gate.shape == up.shape, "swiGLU: the gate is \(gate.shape), the other operand \(up.shape)")
    let output = gate.withElements { gate in
      up.withElements { up in
        Tensor.filled(inputs[0].shape) { gyro_swiglu(gate, up, Int64(inputs[0].count), $0) }
      }
    }
    return (output, (gate, up))
  }

  package func pullback(
    _ cotangent: Tensor, _ residual: Residual, needs: [Bool]
  ) -> [Tensor?] {
    let (gate, up) = residual
    var gradients = needs.map { $0 ? Tensor(uninitialized: gate.shape) : nil }
    gate.withElements { gate in
      up.withElements { up in
        cotangent.withElements { cotangent in
          gradients.withMutablePointers {
            gyro_swiglu_backward(gate, up, cotangent, Int64(residual.gate.count), $0[0], $0[1])
          }
        }
      }
    }
    return gradients
  }
}

extension Variable {
  /// `silu(self) ⊙ up`: the gated unit in front of a transformer's last feed-forward product
  /// (Shazeer, 2002.05202). This variable is the gate; both have the same shape.
  public func swiGLU(_ up: Variable) -> Variable { .apply(SwiGLUOp(), to: self, up) }
}
