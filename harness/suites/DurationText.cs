using System.Globalization;

namespace Gauntlet.Harness.Suites;

/// <summary>Durations as timeout(1) takes them: a decimal number with an optional s, m, h or d; without one, seconds.</summary>
public static class DurationText
{
    /// <summary>The longest that is meant seriously.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    /// <summary>False for anything else, a negative number, or more than <see cref="Longest"/>.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = default;
        if (text.IsEmpty)
            return false;
        var factor = text[^1] switch { 's' => 1.0, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        var number = factor == 0 ? text : text[..^1];
        if (!double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value))
            return false;
        var seconds = value * (factor == 0 ? 1 : factor);
        if (!(seconds <= Longest.TotalSeconds))
            return false;
        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }
}
