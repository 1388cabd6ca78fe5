namespace Gauntlet.Harness.Nesting;

/// <summary>The L1 itself failed, or does not answer: nothing is said of what ran in it.</summary>
/// <param name="message">For people, as a sentence's part.</param>
public sealed class L1Exception(string message, Exception? inner = null) : Exception(message, inner);
