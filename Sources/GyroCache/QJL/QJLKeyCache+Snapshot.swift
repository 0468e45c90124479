extension QJLKeyCache {
  public var bytes: CacheBytes {
    CacheBytes(
      codes: inliers.codes.byteCount + (outliers?.codes.byteCount ?? 0)
        + (channels?.numbers.byteCount ?? 0),
      norms: inliers.norms.byteCount + (outliers?.norms.byteCount ?? 0),
      indices: channels?.indices.byteCount ?? 0, window: window.byteCount, shared: sketches.bytes)
  }

  public var fingerprint: String { "\(options.description), \(shape)" }

  public var snapshot: CacheSnapshot {
    var parts = ["window": window.contents]
    inliers.add(to: &parts, as: "keys")
    outliers?.add(to: &parts, as: "outliers")
    if let channels {
      parts["outlier channels"] = channels.indices.contents
      parts["outlier numbers"] = channels.numbers.contents
    }
    return CacheSnapshot(fingerprint: fingerprint, length: length, parts: parts)
  }

  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try snapshot.require(fingerprint: fingerprint, capacity: shape.capacity)
    var copy = self
    copy.window.setContents(try snapshot.part("window", count: window.byteCount))
    try copy.inliers.restore(snapshot, as: "keys")
    try copy.outliers?.restore(snapshot, as: "outliers")
    try copy.channels?.restore(snapshot)
    copy.length = snapshot.length
    copy.quantized =
      max(0, snapshot.length - options.window) / Self.group * Self.group
    self = copy
  }

  public static var law: String {
    """
    √(π/2)/m · ‖k‖ · ⟨Sq, sign(Sk)⟩. Normal rows: unbiased, variance ((π/2)‖q‖²‖k‖² − ⟨q,k⟩²)/m. \
    Orthogonal rows: mean β_d⟨q,k⟩ with β_d = √(π/2)·√d·Γ(d/2)/(√π·Γ((d+1)/2)), which the correction \
    divides out; at m a multiple of d the variance is (d/m)·[(π/2)/d − sin²/d + cos²((d−1)/d − \
    β_d²)]·‖q‖²‖k‖², 2.75 times less than with normal rows when q ⊥ k. Outliers apart: the laws of \
    both parts, added. Exact for tokens in the window
    """
  }
}
