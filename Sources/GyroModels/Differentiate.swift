public import GyroAutodiff
public import GyroTensors

/// The result of one differentiation.
public struct Differentiation: Sendable {
  /// The value of the loss.
  public let loss: Float
  /// Gradients of the trained parameters.
  public let gradients: Gradients
  /// What layers recorded.
  public let statistics: Statistics

  public init(loss: Float, gradients: Gradients, statistics: Statistics) {
    self.loss = loss
    self.gradients = gradients
    self.statistics = statistics
  }
}

/// The loss and its gradients with respect to the parameters of a store.
///
/// The tape exists only inside this call, so there is nothing to zero, free or detach.
/// - Parameters:
///   - trainable: which parameters get a gradient; all when omitted.
///   - recomputesActivations: whether blocks trade one more forward pass for their activations.
///   - loss: computes a scalar from the pass.
/// - Throws: `NumericFault` when a quantizer met a value that is not finite, the loss is not finite,
///   or whatever `loss` throws.
public func differentiate(
  _ parameters: ParameterStore, mode: ForwardMode, seed: UInt64 = 0,
  instrumentation: any Instrumentation = NoInstrumentation(),
  precision: MatmulPrecision = .float32, recomputesActivations: Bool = false,
  trainable: @escaping (ParameterPath) -> Bool = { _ in true },
  _ loss: (ForwardPass) throws -> Variable
) throws -> Differentiation {
  let tape = Tape()
  let pass = ForwardPass(
    parameters, mode: mode, seed: seed, instrumentation: instrumentation, precision: precision,
    recomputesActivations: recomputesActivations, trainable: trainable, tape: tape)
  let output = try loss(pass)
  precondition(
    output.shape.count == 1, "differentiate: the loss must be one number, not \(output.shape)")
  let value = output.value.item
  if let fault = pass.fault { throw fault }
  guard value.isFinite else { throw NumericFault(path: "loss", what: "the loss is \(value)") }
  tape.backward(from: output, seed: .ones(output.shape))
  if let fault = pass.fault { throw fault }
  return Differentiation(loss: value, gradients: pass.gradients, statistics: pass.statistics)
}
