public import GyroModels

extension CacheShape {
  /// The shape of one layer's cache in a model.
  public init(_ configuration: LlamaConfiguration, capacity: Int) throws(CacheError) {
    try self.init(
      keyValueHeads: configuration.keyValueHeads, headSize: configuration.headSize,
      capacity: capacity)
  }
}

extension GenerationCache {
  /// Empty caches of one kind for all layers and texts, which share sketches, rotations and codebooks.
  /// To begin again, keep a copy of the empty ones rather than make new ones.
  ///
  /// - Throws: `CacheError` when the kind cannot serve the model's heads.
  public init(
    _ specification: CacheSpecification, for configuration: LlamaConfiguration, batch: Int = 1,
    capacity: Int
  ) throws(CacheError) {
    let empty = try specification.make(CacheShape(configuration, capacity: capacity))
    self.init(configuration, batch: batch) { _ in empty }
  }
}
