public import GyroModels
public import GyroTensors
import GyroManifolds

/// Gradient descent on rotations (Cayley SGD: Li, Li and Todorovic, ICLR 2020, algorithm 1; SpinQuant,
/// arXiv 2405.16406, equations 3 and 4), with a momentum that works:
/// ```
/// Ω ← skew(RᵀG)                 M ← momentum · M + Ω
/// α = min(rate, clamp / ‖M‖₁)   R ← R · cayley(−α M),  cayley(A) = (I + A/2)(I − A/2)⁻¹
/// ```
/// Moves square parameters `[n, n]`, matrices with orthonormal rows `[p, n]`, p < n, and stacks
/// `[k, p, n]` of independent ones. The gradient is the ordinary one, with respect to the elements.
///
/// M is kept in the body frame of R (skew-symmetric, `[n, n]`), where the transport to the next tangent
/// space is the identity. For p < n it is kept as the tangent vector itself, `[p, n]`, and moved along.
/// The published code loses its momentum (it projects a copy); `published` reproduces that.
///
/// Square steps are Float32 products with relaxed arithmetic in proportion to the step (see
/// `CayleySeries`): deterministic, and R stays orthogonal to 1e-5 for thousands of steps. After the
/// last one, `ParameterStore.projectOnRotations` brings it back to rounding. For p < n everything is
/// Float64.
public struct CayleySGD: UpdateRule, Equatable {
  /// What walks the trajectory.
  public enum Mode: Sendable, Equatable {
    /// The rule above.
    case transported
    /// SpinQuant's optimizer step by step, for comparison (see `published(seed:)`).
    case published(seed: UInt64)
  }

  public let momentum: Double
  /// The most that α‖M‖₁ may be; nil for no limit.
  public let clamp: Double?
  public let mode: Mode

  /// - Parameters:
  ///   - momentum: memory of past directions, in [0, 1).
  ///   - clamp: the most that α‖M‖₁ may be, whatever the rate; positive. A step of ½ turns no plane by
  ///     more than 28 degrees. The published code has 1. Nil for no limit.
  public init(momentum: Double = 0, clamp: Double? = 0.5) {
    precondition(
      (0..<1).contains(momentum), "CayleySGD: momentum must lie in [0, 1), not \(momentum)")
    precondition(clamp ?? 1 > 0, "CayleySGD: the clamp must be positive, not \(clamp ?? 1)")
    self.momentum = momentum
    self.clamp = clamp
    mode = .transported
  }

  private init(publishedWith seed: UInt64) {
    momentum = 0
    clamp = 1
    mode = .published(seed: seed)
  }

  /// The published optimizer's trajectory, with its quirks: rows are normalized in each step, momentum
  /// has no effect, five fixed-point iterations from a start that is not tangent, the clamp
  /// α = min(rate, 1/‖W‖₁), and with probability 1/101 the point is replaced by the sign-fixed Q of
  /// a QR factorization (`publishedFactorizes`). Worked out in Float64, nine products a step.
  public static func published(seed: UInt64) -> CayleySGD { CayleySGD(publishedWith: seed) }

  /// The published optimizer with seed 0.
  public static var published: CayleySGD { published(seed: 0) }

  /// The memory of one parameter: nothing but a count without momentum.
  public struct State: UpdateState {
    /// M, in the shape of the parameter.
    public var velocity: Tensor?
    /// Steps taken.
    public var step: Int

    public var archive: StateArchive {
      StateArchive(
        tensors: velocity.map { ["velocity": $0] } ?? [:], counts: ["step": step])
    }

    init(velocity: Tensor?) {
      self.velocity = velocity
      step = 0
    }

    public init(_ archive: StateArchive, for parameter: Parameter) throws(OptimizerError) {
      velocity = archive.tensors.isEmpty ? nil : try archive.tensor("velocity", for: parameter)
      step = try archive.count("step", for: parameter)
    }
  }

  public func makeState(for parameter: Parameter) -> State {
    State(velocity: momentum > 0 ? .zeros(parameter.shape) : nil)
  }

  public func update(
    _ point: inout Tensor, gradient: Tensor, gradientScale: Double, state: inout State,
    rate: Double, of parameter: Parameter
  ) {
    Rotations.check(parameter, rule: "CayleySGD")
    if momentum > 0, state.velocity == nil { state.velocity = .zeros(parameter.shape) }
    let step = state.step
    state.step += 1
    var unused = Tensor(uninitialized: [0])
    Rotations.forEach(&point, gradient, &state.velocity, &unused) { point, gradient, velocity, _ in
      switch mode {
      case .published(let seed):
        let factorizes = Self.publishedFactorizes(parameter.path, step: step, seed: seed)
        point = publishedStep(
          Matrix64(point), gradient: gradientScale * Matrix64(gradient), rate: rate,
          factorizing: factorizes)
      case .transported where point.shape[0] == point.shape[1]:
        moveSquare(&point, gradient, gradientScale, &velocity, rate)
      case .transported:
        moveWide(&point, gradient, gradientScale, &velocity, rate)
      }
    }
  }

  private func moveSquare(
    _ point: inout Tensor, _ gradient: Tensor, _ gradientScale: Double, _ velocity: inout Tensor?,
    _ rate: Double
  ) {
    guard velocity != nil else {
      let direction = BodyFrame.direction(of: gradient, at: point, scale: gradientScale)
      return Rotations.move(&point, along: direction, rate: rate, clamp: clamp)
    }
    BodyFrame.accumulate(
      &velocity!, gradient: gradient, at: point, scale: gradientScale, keeping: momentum)
    Rotations.move(&point, along: velocity!, rate: rate, clamp: clamp)
  }

  private func moveWide(
    _ point: inout Tensor, _ gradient: Tensor, _ gradientScale: Double, _ velocity: inout Tensor?,
    _ rate: Double
  ) {
    let manifold = Stiefel()
    let start = Matrix64(point)
    var sum = gradientScale * Matrix64(gradient)
    if let velocity { sum = sum + momentum * Matrix64(velocity) }
    let tangent = manifold.tangent(sum, at: start)
    let norm = BodyFrame.norm(manifold.direction(of: tangent, at: start).tensor)
    let length = -Rotations.stepSize(rate: rate, norm: norm, clamp: clamp)
    do {
      point = try manifold.retracted(start, along: tangent, by: length).tensor
      if velocity != nil {
        velocity = try manifold.transported(tangent, from: start, along: tangent, by: length).tensor
      }
    } catch {
      // Only numbers that are not finite come here; they are found by the checks of the loss.
      point = Tensor(point.shape, repeating: .nan)
    }
  }

  public var description: String {
    switch mode {
    case .published(let seed): "cayley-sgd(published, seed \(seed))"
    case .transported:
      "cayley-sgd(momentum \(momentum), clamp \(clamp.map { "\($0)" } ?? "none"))"
    }
  }
}
