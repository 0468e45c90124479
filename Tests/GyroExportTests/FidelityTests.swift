import GyroExport
import Testing

@Suite("Fidelity of exports")
struct FidelityTests {
  @Test("Exact is best, then what is left to the runtime, then rounding by its size, then nothing")
  func order() {
    let ranked: [Fidelity] = [
      .exact, .leftToRuntime("x"), .within(1e-4, because: "x"), .within(1e-3, because: "x"),
      .impossible("x"),
    ]
    for place in ranked.indices.dropLast() { #expect(ranked[place] < ranked[place + 1]) }
    #expect(ranked.shuffled().max() == ranked.last)
  }
}
