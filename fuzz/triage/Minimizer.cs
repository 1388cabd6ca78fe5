using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;

namespace Gauntlet.Fuzz.Triage;

/// <summary>Makes an input smaller while it still does the same: whole operations where it is a device program, bytes otherwise.</summary>
public static class Minimizer
{
    /// <summary>By what its target knows of it.</summary>
    public static byte[] Minimize(byte[] input, IFuzzTarget target, Func<byte[], bool> isSame) =>
        target.Form is { } form ? ByForm(input, form, isSame) : Minimize(input, target.Grammar, isSame);

    /// <param name="input">Does what is asked for.</param>
    /// <param name="grammar">Of a target of device programs, or null.</param>
    /// <param name="isSame">Runs an input and tells whether it still does.</param>
    public static byte[] Minimize(byte[] input, Grammar? grammar, Func<byte[], bool> isSame)
    {
        if (grammar is null)
            return [.. Reduce([.. input], bytes => isSame([.. bytes]))];
        var program = ProgramBytes.Decode(input, grammar).ToList();
        return ProgramBytes.Encode(Reduce(program, rest => isSame(ProgramBytes.Encode(rest, grammar))), grammar);
    }

    private static byte[] ByForm(byte[] input, IInputForm form, Func<byte[], bool> isSame)
    {
        var parts = form.Divide(input);
        var head = parts[0];
        var rest = Reduce([.. parts.Skip(1)], left => isSame(Join(left)));
        for (var at = 0; at < head.Length; at++)
        {
            var kept = head[at];
            head[at] = 0;
            if (kept != 0 && !isSame(Join(rest)))
                head[at] = kept;
        }
        return Join(rest);

        byte[] Join(List<byte[]> left) => [.. head, .. left.SelectMany(part => part)];
    }

    // Runs of halving length are left out, as long as any can be: Zeller's ddmin without its complements.
    internal static List<T> Reduce<T>(List<T> items, Func<List<T>, bool> isSame)
    {
        for (var run = Math.Max(items.Count / 2, 1); items.Count > 0; run /= 2)
        {
            var removed = false;
            for (var at = 0; at < items.Count;)
            {
                List<T> rest = [.. items.Take(at), .. items.Skip(at + run)];
                if (isSame(rest))
                    (items, removed) = (rest, true);
                else
                    at += run;
            }
            if (run > 1)
                continue;
            if (!removed)
                break;
            run = 2;
        }
        return items;
    }
}
