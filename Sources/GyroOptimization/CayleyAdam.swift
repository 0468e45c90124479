import CGyroKernels
import Glibc
import GyroManifolds
public import GyroModels
public import GyroTensors

/// Adam on rotations: the moments live in the body frame of R, where tangent spaces do not change,
/// so averaging over steps means what it means for plain weights.
/// ```
/// Ω ← skew(RᵀG)
/// m ← β₁ m + (1 − β₁) Ω          v ← β₂ v + (1 − β₂) Ω²  (of each element)
/// N = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
/// α = min(rate, clamp / ‖N‖₁)    R ← R · cayley(−α N)
/// ```
/// v is symmetric and m skew-symmetric, so N is skew-symmetric: the step is along the manifold. (Cayley
/// ADAM of Li, Li and Todorovic, ICLR 2020, has a single v for the whole matrix; here each plane of
/// rotation has its own, as Adam's coordinates do.)
///
/// Moves square parameters `[n, n]`, matrices with orthonormal rows `[p, n]`, p < n, whose moments are
/// `[n, n]` and whose steps are Float64, and stacks `[k, p, n]` of such. N has elements near 1, so
/// ‖N‖₁ ≤ n: useful rates are about 1/n and below.
public struct CayleyAdam: UpdateRule, Equatable {
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  /// The most that α‖N‖₁ may be; nil for no limit.
  public let clamp: Double?

  /// - Parameters:
  ///   - beta1: memory of the mean, in [0, 1).
  ///   - beta2: memory of the square, in [0, 1).
  ///   - epsilon: keeps the quotient finite, positive.
  ///   - clamp: the most that α‖N‖₁ may be, whatever the rate; positive, or nil for no limit.
  public init(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, clamp: Double? = 0.5
  ) {
    precondition((0..<1).contains(beta1), "CayleyAdam: beta1 must lie in [0, 1), not \(beta1)")
    precondition((0..<1).contains(beta2), "CayleyAdam: beta2 must lie in [0, 1), not \(beta2)")
    precondition(epsilon > 0, "CayleyAdam: epsilon must be positive, not \(epsilon)")
    precondition(clamp ?? 1 > 0, "CayleyAdam: the clamp must be positive, not \(clamp ?? 1)")
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.clamp = clamp
  }

  /// Running means of the body-frame gradient and of the squares of its elements, `[n, n]` or
  /// `[k, n, n]`.
  public struct State: UpdateState {
    public var first: Tensor
    public var second: Tensor
    public var step: Int

    public var archive: StateArchive {
      StateArchive(tensors: ["first": first, "second": second], counts: ["step": step])
    }

    init(zerosFor parameter: Parameter) {
      first = .zeros(Self.frame(of: parameter))
      second = .zeros(Self.frame(of: parameter))
      step = 0
    }

    public init(_ archive: StateArchive, for parameter: Parameter) throws(OptimizerError) {
      // In the body frame of [p, n] everything is [n, n].
      let frame = Parameter(
        path: parameter.path, shape: Self.frame(of: parameter), kind: parameter.kind)
      first = try archive.tensor("first", for: frame)
      second = try archive.tensor("second", for: frame)
      step = try archive.count("step", for: parameter)
    }

    private static func frame(of parameter: Parameter) -> Shape {
      parameter.shape.replacing(axis: -2, with: parameter.shape[-1])
    }
  }

  public func makeState(for parameter: Parameter) -> State {
    Rotations.check(parameter, rule: "CayleyAdam")
    return State(zerosFor: parameter)
  }

  public func update(
    _ point: inout Tensor, gradient: Tensor, gradientScale: Double, state: inout State,
    rate: Double, of parameter: Parameter
  ) {
    Rotations.check(parameter, rule: "CayleyAdam")
    state.step += 1
    let step = state.step
    var first: Tensor? = state.first
    state.first = Tensor(uninitialized: [0])
    Rotations.forEach(&point, gradient, &first, &state.second) { point, gradient, first, second in
      guard point.shape[0] < point.shape[1] else {
        var direction = BodyFrame.direction(of: gradient, at: point, scale: gradientScale)
        normalize(&direction, &first!, &second, step: step)
        return Rotations.move(&point, along: direction, rate: rate, clamp: clamp)
      }
      let manifold = Stiefel()
      let start = Matrix64(point)
      let tangent = manifold.tangent(gradientScale * Matrix64(gradient), at: start)
      var direction = manifold.direction(of: tangent, at: start).tensor
      normalize(&direction, &first!, &second, step: step)
      let length = Rotations.stepSize(
        rate: rate, norm: BodyFrame.norm(direction), clamp: clamp)
      let end = try? manifold.rotated(start, along: Matrix64(direction), by: -length)
      point = end?.tensor ?? Tensor(point.shape, repeating: .nan)
    }
    state.first = first!
  }

  /// Ω to N, in place.
  private func normalize(
    _ direction: inout Tensor, _ first: inout Tensor, _ second: inout Tensor, step: Int
  ) {
    let count = Int64(direction.count)
    direction.withMutableElements { direction in
      first.withMutableElements { first in
        second.withMutableElements { second in
          gyro_skew_adam(
            direction, first, second, count, beta1, beta2, epsilon, 1 - pow(beta1, Double(step)),
            1 - pow(beta2, Double(step)))
        }
      }
    }
  }

  public var description: String {
    "cayley-adam(beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon), clamp "
      + "\(clamp.map { "\($0)" } ?? "none"))"
  }
}
