namespace Gauntlet.Fuzz.Engine;

/// <summary>How many mutations an input of the corpus has in its turn.</summary>
public enum PowerSchedule
{
    /// <summary>
    /// As AFL++'s of that name: more for those that hit much, were found late, or lie many mutations deep. What AFL++ gives to quick inputs is left out: times are
    /// no two runs' the same, and a seed must give the same run.
    /// </summary>
    Explore,

    /// <summary>As <see cref="Explore"/>, then more for those whose path few runs took and less for those whose path many took (AFL++; the idea of AFLFast's, CCS 2016).</summary>
    Fast,

    /// <summary>More where the rarest edge of an input is one that few of the corpus hit (the idea of FairFuzz, ASE 2018), and less with every turn that it had.</summary>
    Rare,
}
