import GyroAutodiff
public import GyroModels
public import GyroTensors

/// Learns rotations from one block of the model after the other, for models whose activations do not
/// fit: each rotated and quantized block is to give what the float block gives (as in block
/// reconstruction, 2102.05426 §3.2, though no weight is trained).
///
/// A step sends one batch through the float model block by block. In front of each block stand the float
/// hidden states, turned as R1 turns them, and of each the gradient with respect to R1 and to what the
/// block learns alone is taken at once; so a step needs the merged weights and the activations of a
/// single block, and no logits. What stands outside the blocks, the embedding and the head, is not
/// seen.
/// ```
/// let blocks = BlockwiseLearning(learning)
/// let result = try blocks.differentiate(store, tokens, mode: .training(step: step))
/// try optimizer.step(&store, result.gradients, rate: rate(step))
/// ```
public struct BlockwiseLearning: Sendable {
  private let base: ParameterStore
  private let model: Llama
  private let blocks: [RotationLearning]

  /// - Parameter learning: the whole model's; its rotations are in the store that is differentiated,
  ///   whose weights are not looked at.
  public init(_ learning: RotationLearning) {
    base = learning.base
    model = Llama(learning.configuration, .unfilled())
    blocks = (0..<model.blockCount).map { learning.inside(Llama.path(ofBlock: $0)) }
  }

  /// The mean over blocks of the squared error of what a block gives, relative to its output token by
  /// token, and its gradients with respect to all that is learned.
  ///
  /// - Parameters:
  ///   - parameters: what is learned, and the states of quantizers.
  ///   - tokens: one batch.
  /// - Throws: `NumericFault` where a quantizer met a value that is not finite, or what a range method
  ///   finds wrong with a merged weight.
  public func differentiate(
    _ parameters: ParameterStore, _ tokens: TokenWindow, mode: ForwardMode, seed: UInt64 = 0,
    precision: MatmulPrecision = .float32
  ) throws -> Differentiation {
    let float = ForwardPass(base, precision: precision)
    var hidden = model.embed(tokens, float).value
    var (loss, gradients, statistics) = (Float(0), Gradients(), Statistics())
    for (index, block) in blocks.enumerated() {
      let given = hidden
      hidden = model.block(index, Variable(constant: given), float).value
      let wanted = hidden
      let store = try block.merged(from: parameters)
      let trainable = block.trainable(in: store)
      let part = try GyroModels.differentiate(
        store, mode: mode, seed: seed, instrumentation: block, precision: precision,
        trainable: trainable.matches
      ) { pass in
        let (input, target) = (block.turned(given, store), block.turned(wanted, store))
        let found = model.block(index, Variable(constant: input), pass)
        let length = target.squared().mean(axes: [2], keepingAxes: true).squareRoot()
        let scale = 1 / (length + 1e-12)
        return (found * Variable(constant: scale)).reconstructionLoss(of: target * scale)
      }
      loss += part.loss / Float(blocks.count)
      for path in part.gradients.paths {
        gradients.accumulate(part.gradients[path]! / Float(blocks.count), at: path)
      }
      statistics.merge(part.statistics) { $1 }
    }
    return Differentiation(loss: loss, gradients: gradients, statistics: statistics)
  }
}

extension RotationLearning {
  /// The base's tensors with what `parameters` learned merged into them, beside it, and quantizers'
  /// states.
  fileprivate func merged(from parameters: ParameterStore) throws -> ParameterStore {
    var store = base
    for path in frames.learned.map(\.path) + plan.siteStatePaths where parameters.contains(path) {
      store.declare(path, parameters[path], kind: parameters.parameter(at: path)!.kind)
    }
    merge(into: &store)
    try rangeWeights(in: &store)
    return store
  }

  /// Hidden states as the rotated model holds them.
  fileprivate func turned(_ hidden: Tensor, _ parameters: ParameterStore) -> Tensor {
    guard frames.placements.contains(.residual) else { return hidden }
    let path = RotationPaths.residual
    return FrameFactor.rotation(path).applied(
      to: hidden, [path: parameters[path]], precision: precision)
  }
}
