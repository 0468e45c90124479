extension LlamaConfiguration {
  /// The largest model that is believed: far beyond any there is, far below where products of extents
  /// overflow.
  private static let largestCount = 1e14

  /// Makes sure that extents multiply to something a machine could hold.
  func checkExtents() throws(ConfigurationError) {
    let attention = Double(hidden) * Double(headSize) * 2 * Double(heads + keyValueHeads)
    let block = attention + 3 * Double(hidden) * Double(feedForward) + 2 * Double(hidden)
    let count = Double(layers) * block + 2 * Double(vocabulary) * Double(hidden)
    guard count <= Self.largestCount else {
      throw .outOfRange(
        key: "hidden_size", value: "\(hidden)",
        reason: "with \(layers) layers, \(heads) heads of \(headSize) and a vocabulary of "
          + "\(vocabulary) the model would have \(count) parameters")
    }
    guard Double(context) * Double(headSize) <= 0x1p31 else {
      throw .outOfRange(
        key: "max_position_embeddings", value: "\(context)",
        reason: "with heads of \(headSize) the tables of rotary embeddings would not fit")
    }
  }

  /// Makes sure that files of so many bytes can hold the model, before memory is set aside for it: no
  /// layout takes less than a bit for a number.
  package func check(heldBy byteCount: Int) throws(ConfigurationError) {
    try checkExtents()
    guard parameterCount / 8 <= byteCount else {
      throw .outOfRange(
        key: "num_hidden_layers", value: "\(layers)",
        reason: "the model would have \(parameterCount) parameters, which \(byteCount) bytes of "
          + "tensors cannot hold; they belong to different models")
    }
  }
}
