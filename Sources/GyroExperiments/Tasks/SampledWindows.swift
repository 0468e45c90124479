import GyroDatasets
import GyroModels
import GyroTensors

/// Windows cut from texts that a model sampled, none reaching from one text into the next.
struct SampledWindows {
  /// `length + 1` tokens each: the inputs, and one more for the last target.
  private let windows: [[Int32]]
  private let length: Int

  init(_ texts: [[Int32]], length: Int) {
    self.length = length
    windows = texts.flatMap { text in
      (0..<max(0, (text.count - 1) / length)).map { index in
        Array(text[index * length...(index + 1) * length])
      }
    }
  }

  var count: Int { windows.count }

  /// Batches in order; the last may be smaller.
  func sequential(size: Int) -> [TokenBatch] {
    stride(from: 0, to: windows.count, by: size).map { start in
      batch(of: start..<min(start + size, windows.count))
    }
  }

  /// Endless shuffled batches, each a pure function of its number.
  func shuffled(size: Int, seed: UInt64) throws -> (Int) -> TokenBatch {
    // Window numbers are shuffled as if they were tokens in windows of one.
    let numbers = TokenStream(tokens: (0...Int32(windows.count)).map { $0 })
    let order = try numbers.batches(size: size, length: 1, seed: seed)
    return { batch(of: order[$0].inputs.map(Int.init)) }
  }

  private func batch(of indices: some Sequence<Int>) -> TokenBatch {
    let picked = indices.map { windows[$0] }
    return TokenBatch(
      inputs: picked.flatMap { $0.dropLast() }, targets: picked.flatMap { $0.dropFirst() },
      batch: picked.count, length: length)
  }

  /// Texts of `length` tokens sampled from a model, at least `tokens` tokens in all.
  static func sample(
    _ model: Llama, _ parameters: ParameterStore, tokens: Int, length: Int, seed: UInt64,
    progress: (_ done: Int, _ total: Int) throws -> Void
  ) rethrows -> [[Int32]] {
    let count = max(1, (tokens + length - 1) / length)
    let root = RandomStream(seed: seed)
    var texts: [[Int32]] = []
    // Groups bound the memory of keys and values.
    for (group, start) in stride(from: 0, to: count, by: 64).enumerated() {
      let rows = min(64, count - start)
      var stream = root.derived("text group", group)
      texts += try model.sampleText(
        batch: rows, length: length, seed: stream.next(), parameters
      ) { position in
        // As texts grow, buffers of every size are left behind that nobody will want again.
        if position % 64 == 0 { MemoryUsage.trim() }
        try progress(start * length + position * rows, count * length)
      }
      MemoryUsage.trim()
    }
    return texts
  }
}
