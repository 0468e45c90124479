import GyroTensors
import Synchronization

/// The order in which endless epochs over `count` items visit them: every epoch is a fresh random
/// order of all items, and the item at each position follows from seed and position alone.
final class EpochOrder: Sendable {
  let count: Int
  private let stream: RandomStream
  /// The orders of the last epochs asked for, which are costly to make anew for every batch.
  private let recent = Mutex<[(epoch: Int, order: [Int])]>([])

  init(count: Int, stream: RandomStream) {
    precondition(count > 0, "EpochOrder: there is nothing to put in order")
    self.count = count
    self.stream = stream
  }

  /// The item at a position, counted on through all epochs.
  subscript(position: Int) -> Int {
    let (epoch, place) = position.quotientAndRemainder(dividingBy: count)
    return recent.withLock { recent in
      if let known = recent.first(where: { $0.epoch == epoch }) { return known.order[place] }
      var epochStream = stream.derived("epoch", epoch)
      let order = epochStream.permutation(count)
      recent = recent.suffix(1) + [(epoch, order)]
      return order[place]
    }
  }
}
