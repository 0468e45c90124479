import Glibc
public import GyroTensors
import Synchronization

/// How rotary frequencies are stretched for contexts longer than those of the first training.
public enum RotaryScaling: Hashable, Sendable {
  /// As they are.
  case none
  /// All frequencies divided by `factor`: positions are squeezed (Chen et al., 2306.15595).
  case linear(factor: Double)
  /// Low frequencies divided by `factor`, high ones kept, a ramp between: the rule of Llama 3.1.
  ///
  /// With the wavelength `w = 2π / f` and the context `o` of the first training: kept where
  /// `w < o / highFrequencyFactor`, divided where `w > o / lowFrequencyFactor`.
  case llama3(
    factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)

  /// The frequency that takes the place of `frequency`, in radians per position.
  package func scaled(_ frequency: Double) -> Double {
    switch self {
    case .none: return frequency
    case .linear(let factor): return frequency / factor
    case .llama3(let factor, let low, let high, let context):
      let wavelength = 2 * Double.pi / frequency, original = Double(context)
      if wavelength < original / high { return frequency }
      if wavelength > original / low { return frequency / factor }
      let share = (original / wavelength - low) / (high - low)
      return (1 - share) * frequency / factor + share * frequency
    }
  }
}

/// Cosines and sines of the rotary angles `position · base^(−2j / headSize)`, worked out in double
/// precision and rounded once, when they are first asked for.
public struct RotaryTable: Sendable {
  /// Features of one head, even.
  public let headSize: Int
  /// Number of positions.
  public let positions: Int
  private let angles: Angles

  /// - Parameter headSize: features of one head; must be even.
  /// - Parameter positions: how many positions, from 0.
  /// - Parameter base: what the wavelengths are powers of (`rope_theta`).
  public init(
    headSize: Int, positions: Int, base: Double = 10000, scaling: RotaryScaling = .none
  ) {
    precondition(
      headSize > 0 && headSize % 2 == 0, "RotaryTable: the head size must be even, not \(headSize)")
    self.headSize = headSize
    self.positions = positions
    angles = Angles(headSize: headSize, positions: positions, base: base, scaling: scaling)
  }

  /// `[positions, headSize / 2]`.
  public var cosines: Tensor { angles.both.cosines }
  /// `[positions, headSize / 2]`.
  public var sines: Tensor { angles.both.sines }

  /// Long contexts make large tables, which a model that is only read or converted never needs.
  private final class Angles: Sendable {
    private let headSize: Int
    private let positions: Int
    private let base: Double
    private let scaling: RotaryScaling
    private let made = Mutex<(cosines: Tensor, sines: Tensor)?>(nil)

    init(headSize: Int, positions: Int, base: Double, scaling: RotaryScaling) {
      self.headSize = headSize
      self.positions = positions
      self.base = base
      self.scaling = scaling
    }

    var both: (cosines: Tensor, sines: Tensor) {
      made.withLock { made in
        if let made { return made }
        let new = (table(cos), table(sin))
        made = new
        return new
      }
    }

    private func table(_ function: (Double) -> Double) -> Tensor {
      let half = headSize / 2
      let frequencies = (0..<half).map {
        scaling.scaled(pow(base, -2 * Double($0) / Double(headSize)))
      }
      return Tensor.filled([positions, half]) { pointer in
        for position in 0..<positions {
          for (place, frequency) in frequencies.enumerated() {
            pointer[position * half + place] = Float(function(Double(position) * frequency))
          }
        }
      }
    }
  }
}
