# Completion of luas for bash. It is read by bash-completion, or by `source`.

# The words that may follow an option; a file's name where the word is @.
_luas_arguments()
{
    case $1 in
        --report | --trace | --joblog | --map | --key | --make-key | --make-nkey | --ca | --nkey | --journal | --results) echo @ ;;
        --output) echo inherit tag capture ;;
        --on-change) echo error rerun keep ;;
        --format) echo tsv csv jsonl ;;
        --halt) echo 1 10% soon,fail=1 now,fail=1 never ;;
        --block) echo 64K 256K 1M 8M ;;
        --record) echo '\\n\\n' ;;
        -j) echo 0 1 2 4 8 "$(nproc 2>/dev/null)" ;;
        -e | -l | -p | -n | -F | --where | --by | --sum | --min | --max | --mean | --begin | --end | --run \
            | --retries | --timeout | --cluster | --agent | --agents | --name) echo ;;
        *) return 1 ;;
    esac
}

_luas_options='-e -i -j -l -v -E -W -h --help --version --selftest --bar --report --trace --joblog --output --tag
    -p -n --where --map --begin --end --unordered --count --sum --min --max --mean --by
    -F --csv --tsv --header --json --record -0 --block --run --args --timeout --retries --halt
    --journal --resume --resume-failed --on-change --explain --results --failed --format
    --cluster --agent --agents --name --make-key --make-nkey --key --ca --nkey'

# Is the word under the cursor still one of luas's, and not the script's or one of --args?
_luas_is_option()
{
    local i word
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            -- | --args) return 1 ;;
            -*) [[ ${COMP_WORDS[i + 1]} != = ]] && _luas_arguments "$word" >/dev/null && ((i++)) ;;
            =) ((i++)) ;;
            *) return 1 ;;
        esac
    done
    ((i == COMP_CWORD))
}

_luas()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
    COMPREPLY=()
    # `--output=tag` is three words here
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD > 1)) && words=$(_luas_arguments "$before") && [[ $words != @ ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return
    fi
    if [[ $word == -* ]] && _luas_is_option; then
        mapfile -t COMPREPLY < <(compgen -W "$_luas_options" -- "$word")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

complete -o filenames -F _luas luas
