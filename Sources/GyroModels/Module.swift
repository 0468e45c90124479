/// A layer or model: an immutable value that names its parameters and sites, and computes with what
/// the pass hands it. It holds no numbers.
public protocol Module: Sendable {
  associatedtype Input
  associatedtype Output
  /// Computes the output of one pass.
  func callAsFunction(_ input: Input, _ pass: ForwardPass) -> Output
}
