using System.Text;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Targets;

/// <summary>A parser of bytes that anybody may have written: it accepts them, or refuses with its own kind of exception.</summary>
/// <param name="parse">Called with each input.</param>
/// <param name="refuses">True for the exceptions that are its way to refuse.</param>
/// <param name="seeds">Small inputs that it accepts.</param>
public sealed class ParserTarget(Action<byte[]> parse, Func<Exception, bool> refuses, params IReadOnlyList<byte[]> seeds) : IFuzzTarget
{
    public Grammar? Grammar => null;

    public IReadOnlyList<byte[]> Seeds => seeds;

    public void Run(ReadOnlySpan<byte> input)
    {
        try
        {
            parse(input.ToArray());
        }
        catch (Exception exception) when (refuses(exception))
        {
        }
    }

    public void Dispose() { }

    /// <summary>One of text.</summary>
    public static ParserTarget OfText(Action<string> parse, Func<Exception, bool> refuses, string seed) =>
        new(bytes => parse(Encoding.UTF8.GetString(bytes)), refuses, Encoding.UTF8.GetBytes(seed));
}
