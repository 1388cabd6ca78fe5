using System.Globalization;

namespace Gauntlet.Harness.Suites;

/// <summary>
/// The one command substitution that suites use: <c>`date +%s`</c> on a guest's command line, which its test compares with the guest's clock to within
/// seconds. So it can't be filled in when the suite is read; it travels in the job as <see cref="SecondsPlaceholder"/>.
/// </summary>
public static class LaunchTime
{
    /// <summary>Stands for the seconds since 1970 at launch.</summary>
    public const string SecondsPlaceholder = "$(date +%s)";

    /// <summary>Fills in the time.</summary>
    public static string? Expand(string? text, DateTimeOffset now) =>
        text?.Replace(SecondsPlaceholder, now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
