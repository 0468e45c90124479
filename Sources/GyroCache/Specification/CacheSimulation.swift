public import GyroAutodiff
public import GyroModels
import GyroTensors

/// Trains through a quantized cache: keys and values become what the cache would hold of them, and
/// gradients pass straight through (1308.3432; 2106.08295 §4.1).
///
/// It is defined for whole numbers per token, rotated or not, because each token's codes depend on
/// nothing else. The numbers are those of `decoded()` of the cache, so what is trained is what
/// attention later sees.
public struct CacheSimulation: Instrumentation {
  public let specification: CacheSpecification
  private let base: any Instrumentation

  /// - Parameter base: what else stands between the model and its numbers; it comes first.
  /// - Throws: `CacheError.untrainable` for families without a straight-through gradient, and with a
  ///   window of floats.
  public init(
    _ specification: CacheSpecification, over base: any Instrumentation = NoInstrumentation()
  ) throws(CacheError) {
    if let reason = specification.family.untrainable {
      throw .untrainable(specification.description, reason: reason)
    }
    if let window = CacheSettings(specification).whole("window"), window > 0 {
      throw .untrainable(
        specification.description,
        reason: "a window leaves each token a float for some queries and rounds it for others")
    }
    self.specification = specification
    self.base = base
  }

  public func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    base.weight(value, of: parameter, pass)
  }

  public func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    let value = base.activation(value, at: site, pass)
    guard site.kind == .keys || site.kind == .values, let size = site.headSize else { return value }
    do throws(CacheError) {
      return value.standingFor(
        try held(value.value, headSize: size, isKey: site.kind == .keys))
    } catch {
      pass.note(NumericFault(path: site.path, what: "\(error)"))
      return value
    }
  }

  public func wants(_ site: Site) -> Bool { base.wants(site) }

  public func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment {
    base.batchNorm(layer, pass)
  }

  /// What a cache holds of rows `[…, heads · headSize]`.
  private func held(
    _ x: Tensor, headSize: Int, isKey: Bool
  ) throws(CacheError) -> Tensor {
    let width = x.shape.columns, tokens = x.count / width
    let shape = try CacheShape(
      keyValueHeads: width / headSize, headSize: headSize, capacity: tokens)
    let settings = CacheSettings(specification)
    if let precision = FloatPrecision(rawValue: specification.name) {
      return precision == .float32 ? x : try halved(x, shape)
    }
    let schemes = settings.integerSchemes(headSize: headSize)
    var cache = try IntegerKeyCache(shape, isKey ? schemes.keys : schemes.values)
    try cache.append(x.contiguous().reshaped([tokens, width]))
    return cache.decoded().reshaped(to: x.shape)
  }

  private func halved(_ x: Tensor, _ shape: CacheShape) throws(CacheError) -> Tensor {
    let x = x.contiguous()
    try shape.checkMagnitudes(
      x, "keys or values", after: 0, largest: FloatPrecision.float16.largest)
    return Tensor.filled(x.shape) { destination in
      x.withElements { source in
        for place in 0..<x.count { destination[place] = Float(Float16(source[place])) }
      }
    }
  }
}
