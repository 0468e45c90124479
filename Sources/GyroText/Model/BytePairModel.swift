/// Byte-pair encoding: spells a word in the smallest symbols of the vocabulary, then joins the
/// neighbouring pair of lowest rank until no pair has a rank.
struct BytePairModel: Sendable {
  let vocabulary: Vocabulary
  let ranks: PairTable
  /// The product of the merge of each rank.
  let products: [Int32]
  let unknown: Int32?
  let fusesUnknown: Bool
  /// The ids of `<0x00>` … `<0xFF>`, or empty without byte fallback; -1 where one is missing.
  let byteTokens: [Int32]
  /// The id of each byte's scalar in the byte-level alphabet, or empty; -1 where one is missing.
  let byteLevelSymbols: [Int32]
  /// The words that are tokens as they are, when merges are ignored for those.
  let wholeWords: ByteStringTable?
  /// The scalar before which no token continues, so that words may be cut there.
  let wordStart: [UInt8]?

  /// Appends the ids of the word `bytes[range]`.
  func encode(
    _ bytes: UnsafeBufferPointer<UInt8>, into identifiers: inout [Int32], workspace: inout Workspace
  ) {
    if let whole = wholeWords?[bytes] {
      identifiers.append(whole)
      return
    }
    workspace.symbols.removeAll(keepingCapacity: true)
    if byteLevelSymbols.isEmpty {
      spellScalars(bytes, into: &workspace.symbols)
    } else {
      spellBytes(bytes, into: &workspace.symbols)
    }
    if workspace.symbols.count <= Workspace.linearLimit {
      workspace.mergeByScanning(self)
    } else {
      workspace.mergeByPriority(self)
    }
    identifiers.append(contentsOf: workspace.symbols)
  }

  private func spellBytes(_ bytes: UnsafeBufferPointer<UInt8>, into symbols: inout [Int32]) {
    var pending = PendingUnknown()
    for byte in bytes {
      let symbol = byteLevelSymbols[Int(byte)]
      if symbol >= 0 {
        pending.flush(into: &symbols)
        symbols.append(symbol)
      } else {
        spellUnknown(ByteLevelAlphabet.spell([byte]), into: &symbols, &pending)
      }
    }
    pending.flush(into: &symbols)
  }

  private func spellScalars(_ bytes: UnsafeBufferPointer<UInt8>, into symbols: inout [Int32]) {
    var pending = PendingUnknown()
    var position = 0
    while position < bytes.count {
      let end = min(position + UTF8Text.width(lead: bytes[position]), bytes.count)
      let scalar = UnsafeBufferPointer(rebasing: bytes[position..<end])
      if let symbol = vocabulary.identifier(of: scalar) {
        pending.flush(into: &symbols)
        symbols.append(symbol)
      } else {
        spellUnknown(Array(scalar), into: &symbols, &pending)
      }
      position = end
    }
    pending.flush(into: &symbols)
  }

  /// Spells a scalar that is no token: by its bytes, or as the unknown token, or not at all.
  /// Bytes do not end a run of unknowns; that is how the reference implementation counts runs.
  private func spellUnknown(
    _ scalar: [UInt8], into symbols: inout [Int32], _ pending: inout PendingUnknown
  ) {
    if !byteTokens.isEmpty, scalar.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
      symbols.append(contentsOf: scalar.map { byteTokens[Int($0)] })
    } else if let unknown {
      if !fusesUnknown { pending.flush(into: &symbols) }
      pending.identifier = unknown
    }
  }

  /// Cuts pieces where no merge can reach across, which makes words short and repeated.
  func refine(_ pieces: inout Pieces) {
    guard let wordStart else { return }
    let lead = wordStart[0]
    pieces.ranges = pieces.bytes.withUnsafeBufferPointer { bytes in
      var result: [Range<Int>] = []
      result.reserveCapacity(bytes.count / 4)
      for range in pieces.ranges {
        var start = range.lowerBound
        var followsWordStart = true
        var position = start
        while position < range.upperBound {
          let isWordStart =
            bytes[position] == lead && position + wordStart.count <= range.upperBound
            && bytes[position..<position + wordStart.count].elementsEqual(wordStart)
          if isWordStart, !followsWordStart {
            result.append(start..<position)
            start = position
          }
          followsWordStart = isWordStart
          position += UTF8Text.width(lead: bytes[position])
        }
        result.append(start..<range.upperBound)
      }
      return result
    }
  }
}

/// An unknown token that has been seen but not yet written, so that a run may become one.
private struct PendingUnknown {
  var identifier: Int32?

  @inline(__always)
  mutating func flush(into symbols: inout [Int32]) {
    if let waiting = identifier {
      symbols.append(waiting)
      identifier = nil
    }
  }
}
