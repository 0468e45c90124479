public import GyroAutodiff
import GyroTensors

/// The model in pieces, for whoever goes through it one block at a time with the activations of all
/// samples at hand: `head(block(n − 1, … block(0, embed(tokens))))` is what calling the model gives.
extension Llama {
  /// The number of blocks.
  public var blockCount: Int { blocks.count }

  /// Where the weights and sites of a block live.
  public static func path(ofBlock index: Int) -> ParameterPath {
    ParameterPath("model.layers.\(index)")
  }

  /// The hidden states `[batch, length, hidden]` that the first block sees.
  public func embed(_ tokens: TokenWindow, _ pass: ForwardPass) -> Variable {
    embedded(tokens, pass, startingAt: 0)
  }

  /// The hidden states after block `index`, 0 or more.
  public func block(_ index: Int, _ hidden: Variable, _ pass: ForwardPass) -> Variable {
    pass.block(hidden) { blocks[index]($0, $1) }
  }

  /// Logits `[batch, length, vocabulary]` of the hidden states after the last block.
  public func head(_ hidden: Variable, _ pass: ForwardPass) -> Variable {
    let seen = pass(norm(hidden, pass), at: headInput)
    let logits =
      head?(seen: seen, pass)
      ?? seen.linear(weight: pass(embedding.weight), precision: pass.precision)
    return pass(logits, at: scores)
  }
}
