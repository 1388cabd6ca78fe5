using System.Globalization;

namespace Gauntlet.Fuzz.Engine;

/// <summary>The name of a crash's or a hang's file, as AFL++ has it (docs/afl-fuzz_approach.md, "Interpreting output"): <c>id:000003,time:4210,execs:90000</c>.</summary>
/// <param name="Id">In the order of finding, from 0.</param>
/// <param name="After">Of fuzzing in the directory, to the millisecond; null in the names of versions that did not keep it.</param>
/// <param name="Execs">Runs of the session; null where they were not counted.</param>
public readonly record struct FindingName(int Id, TimeSpan? After, long? Execs)
{
    // A hundred years: more is no time of fuzzing, and a TimeSpan would not hold all that a number can be.
    private const long MostMilliseconds = 100L * 366 * 24 * 3600 * 1000;

    private const string IdKey = "id", TimeKey = "time", ExecsKey = "execs";

    /// <summary>Of a path's last part; what it does not understand it passes over, so that names of afl-fuzz can be read too.</summary>
    public static FindingName Parse(string path)
    {
        var name = new FindingName(0, null, null);
        foreach (var pair in Path.GetFileName(path).Split(',').Select(static part => part.Split(':', 2)))
        {
            if (pair is not [var key, var text] || !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
                continue;
            name = key switch
            {
                IdKey when value <= int.MaxValue => name with { Id = (int)value },
                TimeKey when value <= MostMilliseconds => name with { After = TimeSpan.FromMilliseconds(value) },
                ExecsKey => name with { Execs = value },
                _ => name,
            };
        }
        return name;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{IdKey}:{Id:d6}{(After is { } after ? $",{TimeKey}:{(long)after.TotalMilliseconds}" : "")}{(Execs is { } execs ? $",{ExecsKey}:{execs}" : "")}");
}
