public import GyroTensors

/// How a parameter starts. Values follow from (seed, path) alone, not from construction order.
public enum Initializer: Sendable, Equatable {
  case zeros
  case ones
  case normal(standardDeviation: Float)
  /// Uniform in ±bound.
  case uniform(bound: Float)

  /// He's initialization for layers followed by a rectifier: normal with variance 2 / fan-in.
  public static func kaiming(fanIn: Int) -> Initializer {
    .normal(standardDeviation: (2 / Float(fanIn)).squareRoot())
  }

  func callAsFunction(_ shape: Shape, _ random: RandomStream) -> Tensor {
    var random = random
    return switch self {
    case .zeros: .zeros(shape)
    case .ones: .ones(shape)
    case .normal(let deviation): random.normal(shape, standardDeviation: deviation)
    case .uniform(let bound): random.uniform(shape, in: -bound..<bound)
    }
  }
}

/// Names parameters while a model is put together: a parameter cannot exist without a path, and the
/// same paths name it in checkpoints, optimizer groups, schemes and reports.
public final class ModelBuilder {
  private final class Shared {
    var store = ParameterStore()
    let random: RandomStream?
    init(_ random: RandomStream?) { self.random = random }
  }
  private let shared: Shared
  private let scope: ParameterPath

  /// Starts an empty model whose initial values follow from `seed`.
  public convenience init(seed: UInt64) {
    self.init(Shared(RandomStream(seed: seed).derived("initialization")), "")
  }

  /// Starts a model whose values are not initialized: a checkpoint is about to fill them all.
  public static func unfilled() -> ModelBuilder { ModelBuilder(Shared(nil), "") }

  private init(_ shared: Shared, _ scope: ParameterPath) {
    self.shared = shared
    self.scope = scope
  }

  /// A builder whose names start with this scope's and `name`.
  public func scoped(_ name: String) -> ModelBuilder {
    ModelBuilder(shared, scope.appending(name))
  }

  /// Declares a trained tensor.
  public func parameter(
    _ name: String, _ shape: Shape, _ kind: Parameter.Kind, _ initializer: Initializer
  ) -> Parameter {
    let path = scope.appending(name)
    let value =
      shared.random.map { initializer(shape, $0.derived(path.name)) }
      ?? Tensor(uninitialized: shape)
    return shared.store.declare(path, value, kind: kind)
  }

  /// Declares a tensor that is carried but not trained.
  public func buffer(_ name: String, _ shape: Shape, _ initializer: Initializer) -> Parameter {
    parameter(name, shape, .buffer, initializer)
  }

  /// Names an activation.
  public func site(_ name: String, kind: Site.Kind = .input, headSize: Int? = nil) -> Site {
    let site = Site(scope.appending(name), kind: kind, headSize: headSize)
    shared.store.declare(site)
    return site
  }

  /// Says that runtimes put the weights of these layers, which read one input, into one matrix.
  public func fuse(_ layers: Linear...) {
    shared.store.declare(fusion: layers.map(\.weight.path))
  }

  /// The path of this scope.
  public var path: ParameterPath { scope }

  /// The store of everything declared so far.
  public var store: ParameterStore { shared.store }
}
