import ArgumentParser
import Foundation
import Gyro

/// Runs a command's work; an error becomes one paragraph on standard error and an exit code.
func reportingErrors(_ work: () throws -> Void) throws {
  do {
    try work()
  } catch let code as ExitCode {
    throw code
  } catch {
    let terminal = Terminal.standardError
    terminal.write(terminal.red("error:") + " \(words(of: error))\n")
    throw exitCode(of: error)
  }
}

/// What an error says about itself; Foundation's errors say it under another name.
func words(of error: any Error) -> String {
  if type(of: error) is NSError.Type { return (error as NSError).localizedDescription }
  return "\(error)"
}

/// 2 for a mistake in what was asked for, 130 for an interruption, else 1.
private func exitCode(of error: any Error) -> ExitCode {
  switch error {
  case is RecipeError: ExitCode(2)
  case TrainingError.interrupted: ExitCode(130)
  default: ExitCode(1)
  }
}
