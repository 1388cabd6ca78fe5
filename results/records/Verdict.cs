using System.Text.Json.Serialization;

namespace Gauntlet.Results.Records;

/// <summary>What an attempt, a job or a subtest came to. In JSON and SQL: the kebab-case names.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Verdict>))]
public enum Verdict
{
    [JsonStringEnumMemberName("pass")]
    Pass,

    [JsonStringEnumMemberName("fail")]
    Fail,

    /// <summary>Not run, or the guest found that it cannot run here; always with a reason.</summary>
    [JsonStringEnumMemberName("skip")]
    Skip,

    /// <summary>Failed as a known-failure list says it does. Not a failure of the run.</summary>
    [JsonStringEnumMemberName("known-fail")]
    KnownFail,

    /// <summary>Passed though a known-failure list (or the guest's XPASS) says it fails. A failure: the list is out of date.</summary>
    [JsonStringEnumMemberName("unexpected-pass")]
    UnexpectedPass,

    /// <summary>Still running at its limit.</summary>
    [JsonStringEnumMemberName("timeout")]
    Timeout,

    /// <summary>The VMM died: a signal, an abort, an assertion, a sanitizer report, a triple fault it could not handle.</summary>
    [JsonStringEnumMemberName("crash")]
    Crash,

    /// <summary>The host or the harness is at fault: no memory, a full disk, a VMM that could not be started. Never counts against a patch.</summary>
    [JsonStringEnumMemberName("infra-error")]
    InfraError,
}

public static class Verdicts
{
    /// <summary>The name as in JSON, SQL and on the terminal: <c>unexpected-pass</c>.</summary>
    public static string Name(this Verdict verdict) => verdict switch
    {
        Verdict.Pass => "pass",
        Verdict.Fail => "fail",
        Verdict.Skip => "skip",
        Verdict.KnownFail => "known-fail",
        Verdict.UnexpectedPass => "unexpected-pass",
        Verdict.Timeout => "timeout",
        Verdict.Crash => "crash",
        Verdict.InfraError => "infra-error",
        _ => throw new ArgumentOutOfRangeException(nameof(verdict), verdict, null),
    };

    /// <summary>The inverse of <see cref="Name"/>; false for anything else.</summary>
    public static bool TryParse(string? name, out Verdict verdict)
    {
        foreach (var candidate in Enum.GetValues<Verdict>())
        {
            if (candidate.Name() == name)
            {
                verdict = candidate;
                return true;
            }
        }

        verdict = default;
        return false;
    }

    /// <summary>True when a run that holds it ends with exit code 1.</summary>
    public static bool IsFailure(this Verdict verdict) => verdict is Verdict.Fail or Verdict.UnexpectedPass or Verdict.Timeout or Verdict.Crash;

    /// <summary>True when something was executed and judged.</summary>
    public static bool WasExecuted(this Verdict verdict) => verdict is not (Verdict.Skip or Verdict.InfraError);
}
