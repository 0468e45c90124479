/// Four symmetric sequences of ±1 whose periodic autocorrelations cancel: the first rows of the
/// circulant matrices in Williamson's array, which then has orthogonal rows
/// (Williamson, Duke Mathematical Journal 11, 1944).
///
/// They were found by search. The periodic autocorrelations of four sequences cancel exactly when
/// the squares of their Fourier coefficients add up to 4 · order at every frequency, so none of
/// them may pass that bound alone, and pairs of pairs are matched by what they leave. Length 43 took
/// only sequences that are constant on the cosets of the sixth roots of unity modulo 43.
/// The constructions of Paley miss these orders.
enum WilliamsonSequences {
  /// The first half of each sequence; the second mirrors it.
  private static let halves: [Int: [String]] = [
    23: ["+++++-++---+", "+-+++--++-+-", "+-+--+++++--", "+--++-+-+---"],
    29: ["+-+--+-+++++--+", "++-+-++++--+---", "++-++-+++---+++", "++-+-++----+--+"],
    43: [
      "+--+-+--++++-+--+++-++", "+-+-++--++-+++++---++-", "+-+------++++-+-++--+-",
      "+++--++++-+-+++-++----",
    ],
  ]

  /// The sequences of an order, or nil when none are tabulated.
  static func symmetric(order: Int) -> [[Int8]]? {
    halves[order]?.map { text in
      let half = text.map { Int8($0 == "+" ? 1 : -1) }
      return half + half.dropFirst().reversed()
    }
  }
}
