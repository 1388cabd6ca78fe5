namespace Gauntlet.Results.Comparing;

/// <summary>Whether a job became slower or faster, beyond what it varies by anyway.</summary>
/// <remarks>
/// The numbers are CPU seconds of passes: wall time says more about the host's other work. Both sides are their past passes, not one number each.
/// The statistic is robust, so that one outlier on either side neither makes nor hides a change: z = (median after − median before) / SE, where
/// SE = 1.2533 σ √(1/n before + 1/n after) is the standard error of a difference of medians, and σ = 1.4826 × the median absolute deviation of all
/// samples from the median of their own side, at least 2 % of the median. With fewer than three samples before, σ is taken as 15 % of the median,
/// as nothing is known about the noise. A change counts when |z| ≥ 4 and the medians differ by at least 10 % and 50 ms.
/// </remarks>
/// <param name="Before">Median CPU seconds.</param>
/// <param name="After">Median CPU seconds.</param>
/// <param name="SamplesBefore">1 or more.</param>
/// <param name="SamplesAfter">1 or more.</param>
/// <param name="Z">Standard errors that the medians are apart; positive: slower.</param>
public sealed record TimingComparison(double Before, double After, int SamplesBefore, int SamplesAfter, double Z)
{
    /// <summary>Half a sentence about what <see cref="IsSlower"/> means.</summary>
    public const string Statistic = "median CPU time of passes differs by 4 robust standard errors, 10 % and 50 ms";

    private const double MinimumZ = 4, MinimumRatio = 1.10, MinimumSeconds = 0.05;
    private const double MedianEfficiency = 1.2533, MadToSigma = 1.4826, LeastNoise = 0.02, UnknownNoise = 0.15;
    private const int EnoughSamples = 3;

    public bool IsSlower => Z >= MinimumZ && After >= Before * MinimumRatio && After - Before >= MinimumSeconds;

    public bool IsFaster => Z <= -MinimumZ && Before >= After * MinimumRatio && Before - After >= MinimumSeconds;

    /// <summary>After over before; infinite when before is 0.</summary>
    public double Ratio => After / Before;

    /// <summary>Null when a side has no samples.</summary>
    public static TimingComparison? Of(IReadOnlyList<double> before, IReadOnlyList<double> after)
    {
        if (before.Count == 0 || after.Count == 0)
            return null;
        double medianBefore = Median(before), medianAfter = Median(after);
        var sigma = before.Count < EnoughSamples
            ? UnknownNoise * medianBefore
            : Math.Max(
                MadToSigma * Median([.. before.Select(x => Math.Abs(x - medianBefore)), .. after.Select(x => Math.Abs(x - medianAfter))]), LeastNoise * medianBefore);
        var error = MedianEfficiency * sigma * Math.Sqrt(1.0 / before.Count + 1.0 / after.Count);
        var difference = medianAfter - medianBefore;
        var z = difference == 0 ? 0 : error > 0 ? difference / error : double.CopySign(double.MaxValue, difference);
        return new TimingComparison(medianBefore, medianAfter, before.Count, after.Count, z);
    }

    private static double Median(IReadOnlyList<double> samples)
    {
        var sorted = samples.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
